with

accounts as (

    select * from {{ ref('stg_pendo__accounts') }}

),

windows as (

    select * from {{ ref('dim_windows') }}

),

usage as (

    select * from {{ ref('fct_usage_daily') }}

),

daily as (

    select
        account_id,
        usage_on,
        sum(event_count) as event_count,
        sum(minutes) as minutes

    from usage
    group by all

),

windowed as (

    select
        daily.account_id,
        windows.window_days,
        count(*) filter (where daily.usage_on >= windows.starts_on) as active_days,
        sum(daily.minutes) filter (where daily.usage_on >= windows.starts_on) as minutes,
        sum(daily.event_count) filter (where daily.usage_on >= windows.starts_on) as events,
        sum(daily.minutes) filter (where daily.usage_on < windows.starts_on)
            as previous_minutes

    from daily
    inner join windows
        on daily.usage_on between windows.previous_starts_on and windows.ends_on
    group by all

),

-- A known account without a row in windowed did nothing: that is zero, not unknown.
filled as (

    select
        accounts.account_id,
        windows.window_days,
        cast(coalesce(windowed.active_days, 0) as integer) as active_days,
        cast(coalesce(windowed.minutes, 0) as bigint) as minutes,
        cast(coalesce(windowed.events, 0) as bigint) as events,
        cast(coalesce(windowed.previous_minutes, 0) as bigint) as previous_minutes

    from accounts
    cross join windows
    left join windowed
        on accounts.account_id = windowed.account_id
        and windows.window_days = windowed.window_days

)

select
    *,
    {{ rounded_ratio('100 * (minutes - previous_minutes)', 'previous_minutes', 12, 2) }}
        as usage_trend_percent,
    case
        when previous_minutes > 0 then null
        when minutes > 0 then 'new'
        else 'none'
    end as usage_trend_reason
from filled
