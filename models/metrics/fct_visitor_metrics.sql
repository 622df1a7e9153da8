with

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
    {{ depth_columns('depth') }},
    survey.latest_nps_rating,
    {{ whole_seconds('survey.latest_nps_response_at') }} as latest_nps_response_at,
    survey.latest_nps_comment,
    survey.latest_poll_response
from usage
left join depth
    on usage.visitor_id = depth.visitor_id
left join survey
    on usage.visitor_id = survey.visitor_id
