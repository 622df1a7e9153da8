{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        pre_hook="{{ forget_changed_days(ref('stg_pendo__events')) }}",
    )
}}

-- The pre-hook's. depends_on: {{ ref('dim_windows') }}
with

events as (

    select * from {{ ref('stg_pendo__events') }}

),

landed_days as (

    {{ landed_days(ref('stg_pendo__events')) }}

),

held_days as (

    {{ held_days() }}

),

wanted_days as (

    select
        landed_days.day_starts_ms,
        landed_days.usage_on

    from landed_days
    left join held_days
        on landed_days.usage_on = held_days.usage_on
    where held_days.usage_on is null

),

daily as (

    select
        events.visitor_id,
        events.account_id,
        wanted_days.usage_on,
        cast(sum(events.event_count) as bigint) as event_count,
        cast(sum(events.minutes) as bigint) as minutes

    from events
    -- Many to one: a landed row is of one day.
    inner join wanted_days
        on events.day_starts_ms = wanted_days.day_starts_ms
    where events.event_count > 0
    group by all

)

select * from daily
