{#- Noon of a date in a time zone, as an instant: far enough from midnight to be that date for nearly every reader. -#}
{%- macro noon_in_zone(date, time_zone) -%}
    {{ return(adapter.dispatch('noon_in_zone', 'backhaul')(date, time_zone)) }}
{%- endmacro -%}

{%- macro duckdb__noon_in_zone(date, time_zone) -%}
    (cast({{ date }} as timestamp) + interval '12 hours') at time zone '{{ time_zone }}'
{%- endmacro -%}

{%- macro spark__noon_in_zone(date, time_zone) -%}
    to_utc_timestamp(cast({{ date }} as timestamp) + interval '12' hour, '{{ time_zone }}')
{%- endmacro -%}
