{% macro timestamp_of_millis(text) -%}
    {{ return(adapter.dispatch('timestamp_of_millis', 'backhaul')(text)) }}
{%- endmacro %}

{% macro duckdb__timestamp_of_millis(text) -%}
    epoch_ms(try_cast({{ text }} as bigint))
{%- endmacro %}
