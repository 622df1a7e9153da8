{% macro utc_timestamp(text) -%}
    {{ return(adapter.dispatch('utc_timestamp', 'backhaul')(text)) }}
{%- endmacro %}

{% macro duckdb__utc_timestamp(text) -%}
    try_cast({{ text }} as timestamp)
{%- endmacro %}
