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

usage as (

    select * from {{ ref('int_accounts__windowed_usage') }}

),

depth as (

    select * from {{ ref('int_accounts__depth') }}

),

surveyed as (

    select * from {{ ref('int_accounts__surveyed') }}

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
    {% for days in var('window_days') -%}
    coalesce(depth.pages_viewed_last_{{ days }}, 0) as pages_viewed_last_{{ days }},
    coalesce(depth.features_used_last_{{ days }}, 0) as features_used_last_{{ days }},
    {% endfor -%}
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
left join depth
    on accounts.account_id = depth.account_id
left join members
    on accounts.account_id = members.account_id
left join surveyed
    on accounts.account_id = surveyed.account_id
