with

usage as (

    select * from {{ ref('int_tagged_usage__closed') }}

),

today as (

    select max(closed_through) as closed_through
    from {{ ref('dim_windows') }}

),

chosen as (

    select * from {{ ref('sent_events') }}

),

visitors as (

    select * from {{ ref('int_visitors__identified') }}

),

occurrences as (

    select
        usage.visitor_id,
        usage.account_id,
        chosen.event_name,
        usage.usage_on,
        cast(sum(usage.event_count) as bigint) as event_count,
        cast(sum(usage.minutes) as bigint) as minutes

    from usage
    -- Many to one: a page, feature or track type is chosen once, and there is one today.
    inner join chosen
        on
            usage.kind = chosen.kind
            and usage.tagged_id = chosen.tagged_id
    inner join today
        on
            usage.usage_on <= today.closed_through
            and usage.usage_on > today.closed_through - {{ var('event_days') }}
    -- One row: a visitor is one.
    inner join visitors
        on usage.visitor_id = visitors.visitor_id
    group by all

)

select
    -- No load order, no row number: the same day of the same person is the same occurrence for ever.
    {{ text_uuid("concat_ws(chr(31), visitor_id, coalesce(account_id, ''), event_name, cast(usage_on as string))") }} as occurrence_id,
    visitor_id,
    account_id,
    event_name,
    usage_on,
    event_count,
    minutes
from occurrences
