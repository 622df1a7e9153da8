with

closed as (

    select * from {{ ref('int_tagged_usage__closed') }}

),

events as (

    select * from {{ ref('stg_pendo__tagged_events') }}

),

days as (

    {{ open_days('int_tagged_usage__closed') }}

),

-- Few days, which the next landing may change: to keep their sums would take longer than to make them.
open as (

    {{ summed_days('events', 'days', ['visitor_id', 'account_id', 'kind', 'tagged_id']) }}

),

daily as (

    -- Columns by name: where the day is a partition, it comes last.
    select
        visitor_id,
        account_id,
        kind,
        tagged_id,
        usage_on,
        event_count,
        minutes
    from closed

    union all

    select * from open

)

select * from daily
