with

visitors as (

    select * from {{ ref('int_visitors__identified') }}

),

usage as (

    select * from {{ ref('int_visitors__windowed_usage') }}

),

depth as (

    select * from {{ ref('int_visitors__depth') }}

),

responses as (

    select * from {{ ref('int_poll_responses__counted') }}

),

survey as (

    select
        visitor_id,
        cast(max(score) filter (where measure = 'nps_rating') as integer)
            as latest_nps_rating,
        max(responded_at) filter (where measure = 'nps_rating' and score is not null)
            as latest_nps_response_at,
        max(response) filter (where measure = 'nps_comment') as latest_nps_comment,
        max(response) filter (where measure = 'poll_average') as latest_poll_response

    from responses
    where is_latest_of_visitor
    group by visitor_id

)

select
    usage.*,
    {% for days in var('window_days') -%}
    coalesce(depth.pages_viewed_last_{{ days }}, 0) as pages_viewed_last_{{ days }},
    coalesce(depth.features_used_last_{{ days }}, 0) as features_used_last_{{ days }},
    {% endfor -%}
    date_trunc('second', visitors.first_visit_at) as first_visit_at,
    date_trunc('second', visitors.last_visit_at) as last_visit_at,
    survey.latest_nps_rating,
    date_trunc('second', survey.latest_nps_response_at) as latest_nps_response_at,
    survey.latest_nps_comment,
    survey.latest_poll_response
from visitors
inner join usage
    on visitors.visitor_id = usage.visitor_id
left join depth
    on visitors.visitor_id = depth.visitor_id
left join survey
    on visitors.visitor_id = survey.visitor_id
