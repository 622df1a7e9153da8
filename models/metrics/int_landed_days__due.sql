with

-- Not from staging: all that is incremental waits for this.
recorded as (

    select
        case
            when object = 'events' then 'int_usage__closed'
            else 'int_tagged_usage__closed'
        end as roll_up,
        day as day_starts_ms,
        max(landed_at) as landed_at,
        count(*) as table_count

    from {{ source('pendo', 'landed_days') }}
    group by 1, 2

),

today as (

    select
        max(as_of) as as_of,
        max(closed_through) as closed_through

    from {{ ref('dim_windows') }}

),

known as (

    {{ prior_days() }}

),

starts as (

    select
        roll_up,
        day_starts_ms,
        recorded.landed_at,
        recorded.table_count,
        known.usage_on as known_on,
        known.event_count,
        known.minutes,
        known.is_digested,
        -- What has landed since may already be in the roll-up, if somebody has built that alone.
        case when recorded.landed_at is not distinct from known.landed_at then known.changed_in end as changed_in,
        -- Not known is as if it was open.
        coalesce(known.is_open, true)
        or recorded.landed_at is null
        or recorded.landed_at is distinct from known.landed_at
        or recorded.table_count is distinct from known.table_count
        -- The build that told of it may have died. A full refresh tells of all days: of those, only what was not summed is read again.
        or (known.is_changed and (known.is_digested or roll_up = 'int_tagged_usage__closed'))
        or (roll_up = 'int_usage__closed' and known.changed_in > {{ last_summed() if continues() else 0 }})
            as is_renewed

    from recorded
    full join known
        using (roll_up, day_starts_ms)

),

-- By the day's first millisecond: a few hundred conversions between time zones.
dated as (

    select
        starts.*,
        coalesce(
            {{
                date_in_zone(timestamp_from_millis('day_starts_ms'), var('subscription_time_zone'))
            }},
            known_on
        ) as usage_on
    from starts

),

judged as (

    select
        dated.*,
        dated.is_renewed
        -- Somebody has changed the time zone.
        or dated.usage_on is distinct from dated.known_on
        or {{ compared_in_turn('dated.usage_on', 'today.as_of') }}
            as is_due

    from dated
    cross join today

),

-- A roll-up knows days by their date alone, and two starts may be of one.
dates as (

    select
        roll_up,
        usage_on,
        true as is_due
    from judged
    where is_due

    union

    select
        roll_up,
        known_on as usage_on,
        true as is_due
    from judged
    where
        is_due
        and known_on is not null

),

due as (

    select
        roll_up,
        usage_on,
        judged.day_starts_ms,
        judged.landed_at,
        judged.table_count,
        judged.event_count,
        judged.minutes,
        coalesce(judged.is_digested, false) as is_digested,
        judged.changed_in,
        dates.is_due,
        count(judged.day_starts_ms) over (partition by roll_up, usage_on) as start_count

    from judged
    full join dates
        using (roll_up, usage_on)

)

select
    due.roll_up,
    due.usage_on,
    due.day_starts_ms,
    due.landed_at,
    due.table_count,
    case when due.usage_on <= today.closed_through then due.event_count end as event_count,
    case when due.usage_on <= today.closed_through then due.minutes end as minutes,
    due.is_digested,
    due.changed_in,
    due.usage_on > today.closed_through as is_open,
    coalesce(due.is_due, false) and due.day_starts_ms is not null and due.usage_on <= today.closed_through as is_due
from due
cross join today
-- A date that only a roll-up may still have is a row where it has no start.
where
    due.day_starts_ms is not null
    or due.start_count = 0
