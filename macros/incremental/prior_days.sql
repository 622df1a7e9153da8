{#-
What int_landed_days told of each day at the last build. Where that is not gone on from, which is on a full refresh, before the first build and
when a roll-up is gone: every day that is landed, as one that was open, whoever landed it; and every date that a roll-up holds, as one that has
changed, as it may have vanished.
-#}
{% macro prior_days() -%}
    {%- set columns = [
        'roll_up', 'usage_on', 'day_starts_ms', 'landed_at', 'table_count', 'event_count', 'minutes', 'is_digested', 'is_open', 'is_changed', 'changed_in'
    ] -%}
    {%- set told = held_relation('int_landed_days') -%}
    {%- set roll_ups = held_relation('int_usage__closed') and held_relation('int_tagged_usage__closed') -%}
    {%- if told and roll_ups and holds_columns(told, columns) -%}
        select
            {{ columns | join(', ') }}
        from {{ told }}
    {%- else -%}
        {%- for table in ['events', 'page_events', 'feature_events', 'track_events'] %}
        {{ unknown_days('int_usage__closed' if table == 'events' else 'int_tagged_usage__closed', source('pendo', table), day='day', is_changed=false) }}
        {{ "union" if not loop.last }}
        {%- endfor %}
        {%- for table in ['int_usage__closed', 'int_tagged_usage__closed'] if there(table) %}
        union
        {{ unknown_days(table, there(table), date='usage_on', is_changed=true) }}
        {%- endfor %}
    {%- endif -%}
{%- endmacro %}

{#-
The number of this build, which is more than any that told of a day or summed it, and of the last whose changes int_usage__summed knows of: 0
when that is not gone on from.
-#}
{% macro builds() -%}
    {%- set told, summed = last_build('int_landed_days'), last_build('int_usage__summed') -%}
    select
        cast(greatest({{ told }}, {{ summed }}) + 1 as bigint) as build,
        {{ summed if continues() else 0 }} as summed_in
{%- endmacro %}

{#- The last build in which a table says that a day had changed; 0 when none does. -#}
{% macro last_build(table) -%}
    {%- set held = there(table) -%}
    {%- if held and holds_columns(held, ['changed_in']) -%}
        coalesce((select max(changed_in) from {{ held }}), 0)
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
