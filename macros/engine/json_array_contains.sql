{#- Whether a JSON array of strings has a value. True when there is no array: no list, no limit. -#}
{% macro json_array_contains(array, value) -%}
    {{ return(adapter.dispatch('json_array_contains', 'backhaul')(array, value)) }}
{%- endmacro %}

{% macro duckdb__json_array_contains(array, value) -%}
    coalesce(list_contains(from_json({{ array }}, '["varchar"]'), {{ value }}), true)
{%- endmacro %}

{% macro spark__json_array_contains(array, value) -%}
    coalesce(array_contains(from_json({{ array }}, 'array<string>'), {{ value }}), true)
{%- endmacro %}
