with

events as (

    select * from {{ ref('stg_pendo__events') }}

),

tagged_events as (

    select * from {{ ref('int_tagged_events') }}

),

today as (

    select
        max(as_of) as as_of,
        max(closed_through) as closed_through

    from {{ ref('dim_windows') }}

),

-- By the day's first millisecond: a few hundred conversions between time zones instead
-- of one for each row.
landed as (

    select
        'int_usage__closed' as roll_up,
        day_starts_ms,
        sum(event_count) as event_count,
        sum(minutes) as minutes
    from events
    where event_count > 0
    group by day_starts_ms

    union all

    select
        'int_tagged_usage__closed' as roll_up,
        day_starts_ms,
        sum(event_count) as event_count,
        sum(minutes) as minutes
    from tagged_events
    where event_count > 0
    group by day_starts_ms

),

dated as (

    select
        *,
        {{
            date_in_zone(
                timestamp_from_millis('day_starts_ms'), var('subscription_time_zone')
            )
        }} as usage_on

    from landed

),

held as (

    select
        'int_usage__closed' as roll_up,
        usage_days.*
    from ({{ held_sums('int_usage__closed') }}) as usage_days

    union all

    select
        'int_tagged_usage__closed' as roll_up,
        usage_days.*
    from ({{ held_sums('int_tagged_usage__closed') }}) as usage_days

),

-- Of closed days, those of the last night's that this landing may have read again, as clocks change, and some of the older
-- ones, which a file may have corrected. A digest of every day would cost as much as all else that a night does.
reread as (

    select
        dated.roll_up,
        dated.usage_on,
        dated.day_starts_ms
    from dated
    inner join (
        select roll_up, max(usage_on) as held_through from held group by roll_up
    ) as last_held
        on dated.roll_up = last_held.roll_up
    cross join today
    where
        dated.usage_on <= today.closed_through
        and (
            dated.usage_on >= last_held.held_through - 3
            or {{ compared_in_turn('dated.usage_on', 'today.as_of') }}
        )

),

digested as (

    -- Not from the CTEs above: what is read twice is copied first, and these are large.
    {{
        digested_days(
            'int_usage__closed', ref('stg_pendo__events'), 'reread', ['visitor_id', 'account_id']
        )
    }}

    union all

    {{
        digested_days(
            'int_tagged_usage__closed', ref('int_tagged_events'), 'reread',
            ['visitor_id', 'account_id', 'kind', 'tagged_id']
        )
    }}

),

compared as (

    select
        coalesce(dated.roll_up, held.roll_up) as roll_up,
        coalesce(dated.usage_on, held.usage_on) as usage_on,
        dated.day_starts_ms,
        cast(dated.event_count as bigint) as event_count,
        cast(dated.minutes as bigint) as minutes,
        -- Two starts may be of one date when somebody changed the time zone.
        sum(dated.event_count) over same_day is distinct from held.event_count
        or sum(dated.minutes) over same_day is distinct from held.minutes
        or digested.landed_digest is distinct from digested.held_digest
            as is_restated,
        held.usage_on is not null as is_held

    from dated
    full join held
        on dated.roll_up = held.roll_up
        and dated.usage_on = held.usage_on
    -- One at most: days are digested by their date.
    left join digested
        on dated.roll_up = digested.roll_up
        and dated.usage_on = digested.usage_on
    window same_day as (
        partition by
            coalesce(dated.roll_up, held.roll_up),
            coalesce(dated.usage_on, held.usage_on)
    )

)

select
    compared.roll_up,
    compared.usage_on,
    compared.day_starts_ms,
    compared.event_count,
    compared.minutes,
    compared.usage_on > today.closed_through as is_open,
    case
        when compared.usage_on > today.closed_through then compared.is_held
        else compared.is_restated
    end as is_changed
from compared
cross join today
