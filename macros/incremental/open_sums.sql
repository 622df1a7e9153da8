{#-
The columns that hold sums of the open days, and what each sums. The open days are among the last so many days when these are as many as they
are, so that one sum does for all such columns; fewer days have a sum of their own.
-#}
{% macro open_sum_columns() -%}
    {%- set columns = {'open_minutes': 'minutes', 'open_events': 'event_count'} -%}
    {%- for name, measure in window_sum_columns().items() if (name.split('_') | last | int) < var('open_days') -%}
        {%- do columns.update({'open_' ~ name: measure}) -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}

{#- 1 when a day is open and belongs to a sum of open_sum_columns; otherwise 0. -#}
{% macro in_open_sum(name, as_of) -%}
    {%- set days = name.split('_')[2] | default(var('open_days')) -%}
    {{ in_window(as_of, days, as_of ~ ' - 1') }}
{%- endmacro %}

{#- What the open days add to one of window_sum_columns. -#}
{% macro open_part(usage, name) -%}
    {%- set days = name.split('_') | last -%}
    {%- if 'open_' ~ name in open_sum_columns() -%}
        {{ usage }}.open_{{ name }}
    {%- else -%}
        {{ usage }}.open_{{ name.removesuffix('_' ~ days) }}
    {%- endif -%}
{%- endmacro %}

{#- The bits of an activity column that are of closed days, as a whole number. -#}
{% macro closed_bits(word) -%}
    {%- set open = [var('open_days') - word * days_a_word(), 0] | max -%}
    {{ return(2 ** days_a_word() - 2 ** ([open, days_a_word()] | min)) }}
{%- endmacro %}
