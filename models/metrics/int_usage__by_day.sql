with

-- Not from staging: this takes longest of what waits for nothing, and dbt begins with what has nothing to wait for.
events as (

    select
        day as day_starts_ms,
        num_events as event_count,
        num_minutes as minutes
    from {{ source('pendo', 'events') }}

),

days as (

    {{ days_by_sums('events', 'int_usage__closed') }}

)

select * from days
