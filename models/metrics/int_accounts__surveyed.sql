with

responses as (

    select * from {{ ref('int_poll_responses__counted') }}

),

counted as (

    select
        account_id,
        count(score) filter (where measure = 'nps_rating') as nps_response_count,
        count(*) filter (where measure = 'nps_rating' and score >= 9) as promoter_count,
        count(*) filter (where measure = 'nps_rating' and score <= 6) as detractor_count,
        count(score) filter (where measure = 'poll_average') as poll_response_count,
        sum(score) filter (where measure = 'poll_average') as poll_total,
        count(*) filter (where measure = 'poll_average' and score is null)
            as poll_reject_count

    from responses
    where
        is_counted_in_account
        and account_id is not null
    group by account_id

)

select
    account_id,
    nps_response_count,
    -- Three digits on either scale: 66.7 of 100 or 0.667 of 1.
    {{
        rounded_ratio(
            var('nps_scale') ~ ' * (promoter_count - detractor_count)',
            'nps_response_count', 5, {100: 1, 1: 3}[var('nps_scale')]
        )
    }} as nps_score,
    poll_response_count,
    {{ rounded_ratio('poll_total', 'poll_response_count', 9, 2) }} as poll_average,
    poll_reject_count
from counted
