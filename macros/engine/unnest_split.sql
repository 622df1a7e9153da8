{% macro unnest_split(text, separator) -%}
    {{ return(adapter.dispatch('unnest_split', 'backhaul')(text, separator)) }}
{%- endmacro %}

{% macro duckdb__unnest_split(text, separator) -%}
    unnest(string_split({{ text }}, '{{ separator }}'))
{%- endmacro %}

{% macro spark__unnest_split(text, separator) -%}
    explode(split({{ text }}, '[{{ separator }}]'))
{%- endmacro %}
