with

-- Not from staging, as int_usage__by_day.
events as (

    {% for table in ['page_events', 'feature_events', 'track_events'] -%}
    select
        day as day_starts_ms,
        num_events as event_count,
        num_minutes as minutes
    from {{ source('pendo', table) }}
    {{ "union all" if not loop.last }}
    {% endfor %}

),

days as (

    {{ days_by_sums('events', 'int_tagged_usage__closed') }}

)

select * from days
