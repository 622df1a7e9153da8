with

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

responses as (

    select * from {{ ref('int_poll_responses__counted') }}

),

-- Of all accounts of a visitor, and of activity without one.
summed as (

    select
        usage.visitor_key,
        {{ summed_windows('usage') }}
    from usage
    group by usage.visitor_key

),

windowed as (

    select
        visitors.visitor_id,
        {{ whole_seconds('visitors.first_visit_at') }} as first_visit_at,
        {{ whole_seconds('visitors.last_visit_at') }} as last_visit_at,
        {{ filled_windows('summed') }}
    from visitors
    left join summed
        on {{ visitor_key() }} = summed.visitor_key

),

metrics as (

    select
        visitor_id,
        first_visit_at,
        last_visit_at,
        {{ window_metrics() }}
    from windowed

),

-- A page that a visitor saw in two accounts is one page.
depth as (

    {{ counted_things('used', 'visitor_id') }}

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
    metrics.*,
    {{ depth_columns('depth') }},
    survey.latest_nps_rating,
    {{ whole_seconds('survey.latest_nps_response_at') }} as latest_nps_response_at,
    survey.latest_nps_comment,
    survey.latest_poll_response
from metrics
left join depth
    on metrics.visitor_id = depth.visitor_id
left join survey
    on metrics.visitor_id = survey.visitor_id
