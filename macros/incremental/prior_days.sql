{#-
What int_landed_days told of each day at the last build. Where that is not gone on from, which is on a full refresh, before the first build and
when a roll-up is gone, every day that is landed, as one that was open: whoever landed it.
-#}
{% macro prior_days() -%}
    {%- set columns = [
        'roll_up', 'usage_on', 'day_starts_ms', 'landed_at', 'event_count', 'minutes', 'digest', 'is_open', 'is_changed'
    ] -%}
    {%- set told = held_relation('int_landed_days') -%}
    {%- set roll_ups = held_relation('int_usage__closed') and held_relation('int_tagged_usage__closed') -%}
    {%- if told and roll_ups and holds_columns(told, columns) -%}
        select
            {{ columns | join(', ') }}
        from {{ told }}
    {%- else -%}
        {%- for table in ['events', 'page_events', 'feature_events', 'track_events'] %}
        select
            '{{ 'int_usage__closed' if table == 'events' else 'int_tagged_usage__closed' }}' as roll_up,
            cast(null as date) as usage_on,
            day as day_starts_ms,
            {{ dbt.cast('null', 'timestamp with time zone') }} as landed_at,
            cast(null as bigint) as event_count,
            cast(null as bigint) as minutes,
            cast(null as decimal(38, 0)) as digest,
            true as is_open,
            false as is_changed
        from {{ source('pendo', table) }}
        group by day
        {{ "union" if not loop.last }}
        {%- endfor %}
    {%- endif -%}
{%- endmacro %}
