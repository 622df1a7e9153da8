{#- A whole number of 64 bits from a text, the same in every version: short to store, and quick to find among many. -#}
{% macro text_digest(text) -%}
    {{ return(adapter.dispatch('text_digest', 'backhaul')(text)) }}
{%- endmacro %}

{% macro duckdb__text_digest(text) -%}
    md5_number_lower({{ text }})
{%- endmacro %}

{% macro spark__text_digest(text) -%}
    cast(conv(right(md5({{ text }}), 16), 16, 10) as decimal(20, 0))
{%- endmacro %}
