{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        pre_hook="{{ forget_changed_days('fct_tagged_usage_daily') }}",
    )
}}

with

events as (

    select * from {{ ref('int_tagged_events') }}

),

days as (

    {{ changed_days('fct_tagged_usage_daily') }}

),

daily as (

    select
        events.visitor_id,
        events.account_id,
        events.kind,
        events.tagged_id,
        days.usage_on,
        cast(sum(events.event_count) as bigint) as event_count,
        cast(sum(events.minutes) as bigint) as minutes

    from events
    -- Many to one: a landed row is of one day.
    inner join days
        on events.day_starts_ms = days.day_starts_ms
    where events.event_count > 0
    group by all

)

select * from daily
-- So that a night, which reads a few days of hundreds, finds each in one place.
order by usage_on
