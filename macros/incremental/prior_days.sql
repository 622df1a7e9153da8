{#-
What int_landed_days told of each day at the last build. Where that is not gone on from, which is on a full refresh, before the first build and
when the roll-up is gone: every day that is landed, as one that was open, whoever landed it; and every date that the roll-up holds, as one that has
changed, as it may have vanished.
-#}
{% macro prior_days() -%}
    {%- set columns = [
        'roll_up', 'usage_on', 'day_starts_ms', 'landed_at', 'table_count', 'event_count', 'minutes', 'is_digested', 'is_open', 'is_changed', 'changed_in'
    ] -%}
    {%- set told = held_relation('int_landed_days') -%}
    {%- set landed = {
        'int_usage__closed': ['events'],
        'int_tagged_usage__closed': ['page_events', 'feature_events', 'track_events'],
    } -%}
    {%- for roll_up, tables in landed.items() %}
        {%- if told and held_relation(roll_up) and holds_columns(told, columns) %}
        select
            {{ columns | join(', ') }}
        from {{ told }}
        where roll_up = '{{ roll_up }}'
        {%- else %}
        {%- for table in tables %}
        {{ unknown_days(roll_up, source('pendo', table), day='day', is_changed=false) }}
        {{ "union" if not loop.last }}
        {%- endfor %}
        {%- if there(roll_up) %}
        union
        {{ unknown_days(roll_up, there(roll_up), date='usage_on', is_changed=true) }}
        {%- endif %}
        {%- endif %}
        {{ "union" if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The last build whose changes int_usage__summed knows of; 0 before the first, and when it has no rows. -#}
{% macro last_summed() -%}
    {%- set summed = there('int_usage__summed') -%}
    {%- if summed and holds_columns(summed, ['changed_in']) -%}
        coalesce((select max(changed_in) from {{ summed }}), 0)
    {%- else -%}
        0
    {%- endif -%}
{%- endmacro %}

{#- The days of some rows, by their first millisecond or their date, as nothing was told of them. -#}
{% macro unknown_days(roll_up, rows, day=none, date=none, is_changed=false) -%}
        select
            '{{ roll_up }}' as roll_up,
            cast({{ date or 'null' }} as date) as usage_on,
            cast({{ day or 'null' }} as bigint) as day_starts_ms,
            {{ dbt.cast('null', 'timestamp with time zone') }} as landed_at,
            cast(null as bigint) as table_count,
            cast(null as bigint) as event_count,
            cast(null as bigint) as minutes,
            false as is_digested,
            {{ not is_changed }} as is_open,
            {{ is_changed }} as is_changed,
            cast(null as bigint) as changed_in
        from {{ rows }}
        group by {{ day or date }}
{%- endmacro %}
