{#- A text as a JSON string, quoted and escaped. -#}
{% macro json_string(text) -%}
    {{ return(adapter.dispatch('json_string', 'backhaul')(text)) }}
{%- endmacro %}

{% macro duckdb__json_string(text) -%}
    cast(to_json(cast({{ text }} as varchar)) as varchar)
{%- endmacro %}
