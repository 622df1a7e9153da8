{%- macro whole_seconds(timestamp) -%}
    {{ return(adapter.dispatch('whole_seconds', 'backhaul')(timestamp)) }}
{%- endmacro -%}

{#- date_trunc asks the calendar of the time zone, and takes five times as long. -#}
{%- macro duckdb__whole_seconds(timestamp) -%}
    to_timestamp(epoch_us({{ timestamp }}) // 1000000)
{%- endmacro -%}

{%- macro spark__whole_seconds(timestamp) -%}
    date_trunc('second', {{ timestamp }})
{%- endmacro -%}
