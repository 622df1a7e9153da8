{%- macro timestamp_from_millis(milliseconds) -%}
    {{ return(adapter.dispatch('timestamp_from_millis', 'backhaul')(milliseconds)) }}
{%- endmacro -%}

{%- macro duckdb__timestamp_from_millis(milliseconds) -%}
    to_timestamp({{ milliseconds }} / 1000.0)
{%- endmacro -%}

{%- macro spark__timestamp_from_millis(milliseconds) -%}
    timestamp_millis({{ milliseconds }})
{%- endmacro -%}
