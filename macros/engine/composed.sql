{% macro composed(text) -%}
    {{ return(adapter.dispatch('composed', 'backhaul')(text)) }}
{%- endmacro %}

{% macro duckdb__composed(text) -%}
    nfc_normalize({{ text }})
{%- endmacro %}
