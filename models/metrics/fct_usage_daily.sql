with

events as (

    select * from {{ ref('stg_pendo__events') }}

),

visitors as (

    select * from {{ ref('int_visitors__identified') }}

),

daily as (

    select
        events.visitor_id,
        events.account_id,
        events.event_on as usage_on,
        cast(sum(events.event_count) as bigint) as event_count,
        cast(sum(events.minutes) as bigint) as minutes

    from events
    inner join visitors
        on events.visitor_id = visitors.visitor_id
    group by all
    having sum(events.event_count) > 0

)

select * from daily
