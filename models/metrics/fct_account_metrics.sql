with

accounts as (

    select * from {{ ref('stg_pendo__accounts') }}

),

visitors as (

    select * from {{ ref('int_visitors__identified') }}

),

usage as (

    select * from {{ ref('int_usage__summed') }}
    where {{ keys_hold() }}

),

used as (

    select * from {{ ref('int_tagged_usage__windowed') }}

),

surveyed as (

    select * from {{ ref('int_accounts__surveyed') }}

),

members as (

    select * from {{ ref('int_accounts__members') }}

),

summed as (

    select
        usage.account_key,
        {% for days in var('window_days') -%}
        cast(count(*) filter (where ({{ active_days(days, 'usage') }}) > 0) as integer)
            as active_visitors_{{ days }},
        {% endfor -%}
        {{ summed_windows('usage') }}
    from usage
    -- Who does not count for themselves does not count for the account.
    inner join visitors
        on usage.visitor_key = {{ visitor_key() }}
    group by usage.account_key

),

windowed as (

    select
        accounts.account_id,
        {{ whole_seconds('accounts.first_visit_at') }} as first_visit_at,
        {{ whole_seconds('accounts.last_visit_at') }} as last_visit_at,
        {% for days in var('window_days') -%}
        coalesce(summed.active_visitors_{{ days }}, 0) as active_visitors_last_{{ days }},
        {% endfor -%}
        {{ filled_windows('summed') }}
    from accounts
    left join summed
        on {{ account_key() }} = summed.account_key

),

metrics as (

    select
        account_id,
        first_visit_at,
        last_visit_at,
        {% for days in var('window_days') -%}
        active_visitors_last_{{ days }},
        {% endfor -%}
        {{ window_metrics() }}
    from windowed

),

-- A feature that two people of an account used is one feature.
depth as (

    {{ counted_things('used', 'account_id') }}

)

select
    metrics.*,
    {{ depth_columns('depth') }},
    coalesce(members.visitor_count, 0) as visitor_count,
    surveyed.nps_score,
    cast(coalesce(surveyed.nps_response_count, 0) as integer) as nps_response_count,
    surveyed.poll_average,
    cast(coalesce(surveyed.poll_response_count, 0) as integer) as poll_response_count,
    cast(coalesce(surveyed.poll_reject_count, 0) as integer) as poll_reject_count
from metrics
left join depth
    on metrics.account_id = depth.account_id
left join members
    on metrics.account_id = members.account_id
left join surveyed
    on metrics.account_id = surveyed.account_id
