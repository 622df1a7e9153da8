{#- A whole number of 64 bits from a text, the same in every version: short to store, and quick to find among many. -#}
{% macro text_digest(text) -%}
    {{ return(adapter.dispatch('text_digest', 'backhaul')(text)) }}
{%- endmacro %}

{% macro duckdb__text_digest(text) -%}
    md5_number_lower({{ text }})
{%- endmacro %}

{#- DuckDB's number: the last eight bytes of the MD5, the lowest first. -#}
{% macro spark__text_digest(text) -%}
    cast(
        conv(
            concat(
                {%- for place in range(31, 15, -2) %}
                substr(md5({{ text }}), {{ place }}, 2){{ "," if not loop.last }}
                {%- endfor %}
            ),
            16,
            10
        ) as decimal(20, 0)
    )
{%- endmacro %}
