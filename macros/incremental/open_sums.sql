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
{% macro open_part(usage, name) -%}
    {%- set days = name.split('_') | last -%}
    {%- if 'open_' ~ name in open_sum_columns() -%}
        {{ usage }}.open_{{ name }}
    {%- elif name.startswith('previous') -%}
        0
    {%- else -%}
        {{ usage }}.open_{{ name.removesuffix('_' ~ days) }}
    {%- endif -%}
{%- endmacro %}

{#- The bits of an activity column that are of closed days, as a whole number. -#}
{% macro closed_bits(word) -%}
    {%- set open = [var('open_days') - word * days_a_word(), 0] | max -%}
    {{ return(2 ** days_a_word() - 2 ** ([open, days_a_word()] | min)) }}
{%- endmacro %}
