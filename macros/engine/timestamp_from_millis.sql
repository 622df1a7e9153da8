{%- macro timestamp_from_millis(milliseconds) -%}
    {{ return(adapter.dispatch('timestamp_from_millis', 'backhaul')(milliseconds)) }}
{%- endmacro -%}

{%- macro duckdb__timestamp_from_millis(milliseconds) -%}
    to_timestamp({{ milliseconds }} / 1000.0)
{%- endmacro -%}
