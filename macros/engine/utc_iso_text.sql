{% macro utc_iso_text(expression) -%}
    {{ return(adapter.dispatch('utc_iso_text', 'backhaul')(expression)) }}
{%- endmacro %}

{% macro duckdb__utc_iso_text(expression) -%}
    strftime({{ expression }} at time zone 'UTC', '%Y-%m-%dT%H:%M:%SZ')
{%- endmacro %}

{% macro spark__utc_iso_text(expression) -%}
    date_format({{ expression }}, "yyyy-MM-dd'T'HH:mm:ss'Z'")
{%- endmacro %}
