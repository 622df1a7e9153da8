{#- How many days of activity one whole number holds, a bit a day, and how many numbers the windows need. -#}
{% macro days_a_word() -%}
    {{ return(60) }}
{%- endmacro %}

{#- The columns that hold the active days: activity_0 is for 1 to 60 days ago, activity_1 for 61 to 120, and so on. -#}
{% macro activity_columns() -%}
    {%- set names = [] -%}
    {%- for word in range((var('window_days') | max + days_a_word() - 1) // days_a_word()) -%}
        {%- do names.append('activity_' ~ word) -%}
    {%- endfor -%}
    {{ return(names) }}
{%- endmacro %}

{#- The columns that hold sums of the windows. -#}
{% macro window_sum_columns() -%}
    {%- set names = [] -%}
    {%- for days in var('window_days') -%}
        {%- do names.extend(['minutes_' ~ days, 'events_' ~ days, 'previous_minutes_' ~ days]) -%}
    {%- endfor -%}
    {{ return(names) }}
{%- endmacro %}

{#-
The columns that hold sums of the open days, and what each sums. The open days are in every window that is as long as they
are, so that one sum does for all of these; a shorter one has its own.
-#}
{% macro open_sum_columns() -%}
    {%- set columns = {'open_minutes': 'minutes', 'open_events': 'event_count'} -%}
    {%- for days in var('window_days') if days < var('open_days') -%}
        {%- do columns.update({
            'open_minutes_' ~ days: 'minutes',
            'open_events_' ~ days: 'event_count',
            'open_previous_minutes_' ~ days: 'minutes',
        }) -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}

{#- 1 when a day is open and belongs to a sum of open_sum_columns; otherwise 0. -#}
{% macro in_open_sum(name, as_of) -%}
    {%- set is_open = in_window(as_of, var('open_days'), as_of ~ ' - 1') -%}
    {%- set days = name.split('_') | last -%}
    {%- if name in ['open_minutes', 'open_events'] -%}
        {{ is_open }}
    {%- elif 'previous' in name -%}
        {{ is_open }} * {{ in_previous_window(as_of, days | int, as_of ~ ' - 1') }}
    {%- else -%}
        {{ in_window(as_of, days | int, as_of ~ ' - 1') }}
    {%- endif -%}
{%- endmacro %}

{#- What the open days add to one of window_sum_columns. -#}
{% macro open_part(name) -%}
    {%- set days = name.split('_') | last -%}
    {%- if 'open_' ~ name in open_sum_columns() -%}
        open_{{ name }}
    {%- elif name.startswith('previous') -%}
        0
    {%- else -%}
        open_{{ name.removesuffix('_' ~ days) }}
    {%- endif -%}
{%- endmacro %}

{#- The bits of an activity column that are of closed days, as a whole number. -#}
{% macro closed_bits(word) -%}
    {%- set open = [var('open_days') - word * days_a_word(), 0] | max -%}
    {{ return(2 ** days_a_word() - 2 ** ([open, days_a_word()] | min)) }}
{%- endmacro %}

{#- 1 when a day is one of the `days` before `as_of`, and at most `last`; otherwise 0, also when a date is null. -#}
{% macro in_window(as_of, days, last) -%}
    case when usage_on between {{ as_of }} - {{ days }} and {{ last }} then 1 else 0 end
{%- endmacro %}

{#- 1 when a day is in the previous window of the same length; otherwise 0. -#}
{% macro in_previous_window(as_of, days, last) -%}
    case
        when usage_on between {{ as_of }} - {{ 2 * days }} and least({{ as_of }} - {{ days + 1 }}, {{ last }})
            then 1
        else 0
    end
{%- endmacro %}

{#- A day's bit in an activity column, when `condition` holds; otherwise 0. -#}
{% macro activity_bit(word, days_ago, condition) -%}
    case
        when ({{ condition }}) and {{ days_ago }} between {{ word * days_a_word() + 1 }} and {{ (word + 1) * days_a_word() }}
            then cast(1 as bigint) << cast({{ days_ago }} - {{ word * days_a_word() + 1 }} as integer)
        else 0
    end
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
