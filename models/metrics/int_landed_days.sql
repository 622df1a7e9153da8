with

days as (

    select * from {{ ref('int_landed_days__due') }}

),

due as (

    select * from days
    where is_due

),

compared_dates as (

    select
        roll_up,
        usage_on,
        is_open,
        -- Nothing was read to compare the digests of the others with.
        bool_or(is_due) as is_digested

    from days
    where is_due or is_open or day_starts_ms is null
    group by roll_up, usage_on, is_open

),

landed as (

    {{
        landed_sums(
            'int_usage__closed', ref('stg_pendo__events'), 'due', ['visitor_id', 'account_id']
        )
    }}

    union all

    {{
        landed_sums(
            'int_tagged_usage__closed', ref('stg_pendo__tagged_events'), 'due',
            ['visitor_id', 'account_id', 'kind', 'tagged_id']
        )
    }}

    union all

    -- Nobody has landed these since they were read. Open days are not read here at all. What only a roll-up has is told of if it
    -- has it: on a full refresh that is not read, and the old one stays if the build dies.
    select
        days.*,
        cast(null as decimal(38, 0)) as digest
    from days
    where
        not is_due
        and (day_starts_ms is not null or {{ not continues() }})

),

held as (

    {{ held_sums('int_usage__closed', 'compared_dates', ['visitor_id', 'account_id']) }}

    union all

    {{
        held_sums(
            'int_tagged_usage__closed', 'compared_dates', ['visitor_id', 'account_id', 'kind', 'tagged_id']
        )
    }}

),

compared as (

    select
        roll_up,
        usage_on,
        landed.day_starts_ms,
        landed.landed_at,
        landed.table_count,
        landed.event_count,
        landed.minutes,
        coalesce(landed.is_digested, false) as is_digested,
        landed.changed_in as known_changed_in,
        coalesce(landed.is_open, held.is_open) as is_open,
        case
            when coalesce(landed.is_open, held.is_open) then held.is_open is not null
            when landed.day_starts_ms is null then true
            when not landed.is_due then false
            -- Two starts may be of one date when somebody changed the time zone.
            else
                sum(landed.event_count) over same_day is distinct from held.event_count
                or sum(landed.minutes) over same_day is distinct from held.minutes
                or coalesce(sum(landed.digest) over same_day <> held.digest, false)
        end as is_changed

    from landed
    full join held
        using (roll_up, usage_on)
    window same_day as (partition by roll_up, usage_on)

)

select
    roll_up,
    usage_on,
    day_starts_ms,
    landed_at,
    table_count,
    event_count,
    minutes,
    is_digested,
    is_open,
    is_changed,
    -- A day that nothing is known of may have changed. What the sums know of is less than the number, whatever died before.
    case
        when is_changed or known_changed_in is null then {{ last_summed() }} + 1
        else known_changed_in
    end as changed_in
from compared
