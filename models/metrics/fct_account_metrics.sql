with

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

    select * from {{ ref('int_accounts__members') }}

)

select
    usage.*,
    {{ depth_columns('depth') }},
    coalesce(members.visitor_count, 0) as visitor_count,
    surveyed.nps_score,
    cast(coalesce(surveyed.nps_response_count, 0) as integer) as nps_response_count,
    surveyed.poll_average,
    cast(coalesce(surveyed.poll_response_count, 0) as integer) as poll_response_count,
    cast(coalesce(surveyed.poll_reject_count, 0) as integer) as poll_reject_count
from usage
left join depth
    on usage.account_id = depth.account_id
left join members
    on usage.account_id = members.account_id
left join surveyed
    on usage.account_id = surveyed.account_id
