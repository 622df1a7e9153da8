{% macro utc_timestamp(text) -%}
    {{ return(adapter.dispatch('utc_timestamp', 'backhaul')(text)) }}
{%- endmacro %}

{% macro duckdb__utc_timestamp(text) -%}
    try_cast({{ text }} as timestamp)
{%- endmacro %}

{#- Spark reads more as a moment, such as a bare year or time of day. -#}
{% macro spark__utc_timestamp(text) -%}
    case when {{ text }} rlike '^ *[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}' then try_cast({{ text }} as timestamp) end
{%- endmacro %}
