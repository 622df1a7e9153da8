{%- macro date_in_zone(timestamp, time_zone) -%}
    {{ return(adapter.dispatch('date_in_zone', 'backhaul')(timestamp, time_zone)) }}
{%- endmacro -%}

{%- macro duckdb__date_in_zone(timestamp, time_zone) -%}
    cast({{ timestamp }} at time zone '{{ time_zone }}' as date)
{%- endmacro -%}

{%- macro spark__date_in_zone(timestamp, time_zone) -%}
    cast(from_utc_timestamp({{ timestamp }}, '{{ time_zone }}') as date)
{%- endmacro -%}
