with

days as (

    select
        'int_usage__closed' as roll_up,
        usage_days.*
    from {{ ref('int_usage__by_day') }} as usage_days

    union all

    select
        'int_tagged_usage__closed' as roll_up,
        usage_days.*
    from {{ ref('int_tagged_usage__by_day') }} as usage_days

),

today as (

    select
        max(as_of) as as_of,
        max(closed_through) as closed_through

    from {{ ref('dim_windows') }}

),

landed as (

    select * from days
    where not is_held

),

held as (

    select * from days
    where is_held

),

-- Of closed days, those of the last night's that this landing may have read again, as clocks change, and some of the older
-- ones, which a file may have corrected. A digest of every day would cost as much as all else that a night does.
reread as (

    select
        landed.roll_up,
        landed.usage_on,
        landed.day_starts_ms
    from landed
    inner join (
        select roll_up, max(usage_on) as held_through from held group by roll_up
    ) as last_held
        on landed.roll_up = last_held.roll_up
    cross join today
    where
        landed.usage_on <= today.closed_through
        and (
            landed.usage_on >= last_held.held_through - 3
            or {{ compared_in_turn('landed.usage_on', 'today.as_of') }}
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
            'int_tagged_usage__closed', ref('stg_pendo__tagged_events'), 'reread',
            ['visitor_id', 'account_id', 'kind', 'tagged_id']
        )
    }}

),

compared as (

    select
        coalesce(landed.roll_up, held.roll_up) as roll_up,
        coalesce(landed.usage_on, held.usage_on) as usage_on,
        landed.day_starts_ms,
        landed.event_count,
        landed.minutes,
        -- Two starts may be of one date when somebody changed the time zone.
        sum(landed.event_count) over same_day is distinct from held.event_count
        or sum(landed.minutes) over same_day is distinct from held.minutes
        or digested.landed_digest is distinct from digested.held_digest
            as is_restated,
        held.usage_on is not null as is_held

    from landed
    full join held
        on landed.roll_up = held.roll_up
        and landed.usage_on = held.usage_on
    -- One at most: days are digested by their date.
    left join digested
        on landed.roll_up = digested.roll_up
        and landed.usage_on = digested.usage_on
    window same_day as (
        partition by
            coalesce(landed.roll_up, held.roll_up),
            coalesce(landed.usage_on, held.usage_on)
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
