with

visitors as (

    select * from {{ ref('int_visitors__identified') }}

),

windowed_usage as (

    select * from {{ ref('int_visitors__windowed_usage') }}

),

responses as (

    select * from {{ ref('int_poll_responses__latest') }}

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
        visitor_id

    from windowed_usage
    group by visitor_id

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
    date_trunc('second', visitors.first_visit_at) as first_visit_at,
    date_trunc('second', visitors.last_visit_at) as last_visit_at,
    survey.latest_nps_rating,
    date_trunc('second', survey.latest_nps_response_at) as latest_nps_response_at,
    survey.latest_nps_comment,
    survey.latest_poll_response
from visitors
inner join usage
    on visitors.visitor_id = usage.visitor_id
left join survey
    on visitors.visitor_id = survey.visitor_id
