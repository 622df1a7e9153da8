with

accounts as (

    select * from {{ ref('stg_pendo__accounts') }}

),

visitor_accounts as (

    select * from {{ ref('stg_pendo__visitor_accounts') }}

),

visitors as (

    select * from {{ ref('int_visitors__identified') }}

),

windowed_usage as (

    select * from {{ ref('int_accounts__windowed_usage') }}

),

surveyed as (

    select * from {{ ref('int_accounts__surveyed') }}

),

usage as (

    select
        {% for days in var('window_days') -%}
        max(active_days) filter (where window_days = {{ days }})
            as active_days_last_{{ days }},
        max(minutes) filter (where window_days = {{ days }}) as minutes_last_{{ days }},
        max(events) filter (where window_days = {{ days }}) as events_last_{{ days }},
        max(usage_trend_percent) filter (where window_days = {{ days }})
            as usage_trend_percent_last_{{ days }},
        max(usage_trend_reason) filter (where window_days = {{ days }})
            as usage_trend_reason_last_{{ days }},
        {% endfor -%}
        account_id

    from windowed_usage
    group by account_id

),

members as (

    select
        visitor_accounts.account_id,
        count(*) as visitor_count

    from visitor_accounts
    inner join visitors
        on visitor_accounts.visitor_id = visitors.visitor_id
    group by visitor_accounts.account_id

)

select
    usage.*,
    date_trunc('second', accounts.first_visit_at) as first_visit_at,
    date_trunc('second', accounts.last_visit_at) as last_visit_at,
    cast(coalesce(members.visitor_count, 0) as integer) as visitor_count,
    surveyed.nps_score,
    cast(coalesce(surveyed.nps_response_count, 0) as integer) as nps_response_count,
    surveyed.poll_average,
    cast(coalesce(surveyed.poll_response_count, 0) as integer) as poll_response_count,
    cast(coalesce(surveyed.poll_reject_count, 0) as integer) as poll_reject_count
from accounts
inner join usage
    on accounts.account_id = usage.account_id
left join members
    on accounts.account_id = members.account_id
left join surveyed
    on accounts.account_id = surveyed.account_id
