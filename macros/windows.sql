{#- The var window_days. A list that cannot be is told in one line, not by the contracts of what is made of it. -#}
{% macro window_lengths() -%}
    {%- set lengths = var('window_days') -%}
    {%- set is_list = lengths is iterable and lengths is not string and lengths is not mapping -%}
    {%- set right = lengths | select('integer') | select('gt', 0) | unique | list if is_list else [] -%}
    {%- if not right or right | length != lengths | length or right | length > 4 -%}
        {{
            exceptions.raise_compiler_error(
                'dbt_project.yml: window_days is ' ~ lengths
                ~ ': make it a list of one to four different numbers of days, such as [30, 90, 180]'
            )
        }}
    {%- endif -%}
    {{ return(lengths) }}
{%- endmacro %}

{#- How many days of activity one whole number holds, a bit a day, and how many numbers the windows need. -#}
{% macro days_a_word() -%}
    {{ return(60) }}
{%- endmacro %}

{#- The columns that hold the active days: activity_0 is for 1 to 60 days ago, activity_1 for 61 to 120, and so on. -#}
{% macro activity_columns() -%}
    {%- set names = [] -%}
    {%- for word in range((window_lengths() | max + days_a_word() - 1) // days_a_word()) -%}
        {%- do names.append('activity_' ~ word) -%}
    {%- endfor -%}
    {{ return(names) }}
{%- endmacro %}

{#- The numbers of days that minutes are summed over: a trend compares a window with one twice as long. -#}
{% macro summed_lengths() -%}
    {%- set lengths = [] -%}
    {%- for days in window_lengths() -%}
        {%- do lengths.extend([days, 2 * days]) -%}
    {%- endfor -%}
    {{ return(lengths | unique | sort) }}
{%- endmacro %}

{#- The columns that hold sums of the last so many days, and what each sums. -#}
{% macro window_sum_columns() -%}
    {%- set columns = {} -%}
    {%- for days in summed_lengths() -%}
        {%- do columns.update({'minutes_' ~ days: 'minutes'}) -%}
    {%- endfor -%}
    {%- for days in window_lengths() -%}
        {%- do columns.update({'events_' ~ days: 'event_count'}) -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}

{#- 1 when a day is one of the `days` before `as_of`, and at most `last`; otherwise 0, also when a date is null. -#}
{% macro in_window(as_of, days, last) -%}
    case when usage_on between {{ as_of }} - {{ days }} and {{ last }} then 1 else 0 end
{%- endmacro %}

{#- The number of active days of the last `days`, from the activity columns of a relation. -#}
{% macro active_days(days, relation) -%}
    {%- set terms = [] -%}
    {%- for name in activity_columns() -%}
        {%- set rest = days - loop.index0 * days_a_word() -%}
        {%- set word = relation ~ '.' ~ name -%}
        {%- if rest >= days_a_word() -%}
            {%- do terms.append('cast(bit_count(' ~ word ~ ') as integer)') -%}
        {%- elif rest > 0 -%}
            {%- do terms.append('cast(bit_count(' ~ word ~ ' & ' ~ (2 ** rest - 1) ~ ') as integer)') -%}
        {%- endif -%}
    {%- endfor -%}
    {{ terms | join(' + ') }}
{%- endmacro %}
