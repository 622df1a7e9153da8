{#- A value that stops the query with a message. -#}
{% macro raised(message) -%}
    {{ return(adapter.dispatch('raised', 'backhaul')(message)) }}
{%- endmacro %}

{% macro duckdb__raised(message) -%}
    error('{{ message }}')
{%- endmacro %}

{% macro spark__raised(message) -%}
    raise_error('{{ message }}')
{%- endmacro %}
