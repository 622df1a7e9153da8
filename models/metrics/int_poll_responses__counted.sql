with

responses as (

    select * from {{ ref('stg_pendo__poll_responses') }}

),

surveys as (

    select * from {{ ref('surveys') }}

),

visitors as (

    select * from {{ ref('int_visitors__identified') }}

),

guides as (

    select * from {{ ref('stg_pendo__guides') }}

),

today as (

    select max(as_of) as as_of from {{ ref('dim_windows') }}

),

chosen as (

    select
        surveys.measure,
        responses.visitor_id,
        responses.account_id,
        responses.guide_id,
        responses.poll_id,
        responses.response,
        try_cast(responses.response as decimal(18, 6)) as number,
        responses.responded_at,
        responses.responded_on between today.as_of - {{ var('survey_days') }}
            and today.as_of - 1 as is_in_survey_window

    from responses
    inner join surveys
        on responses.guide_id = surveys.guide_id
        and responses.poll_id = surveys.poll_id
    inner join visitors
        on responses.visitor_id = visitors.visitor_id
    left join guides
        on responses.guide_id = guides.guide_id
    cross join today
    where
        responses.response is not null
        and responses.responded_on <= today.as_of
        -- Whoever reset a survey wanted to begin anew.
        and (
            guides.reset_at is null
            or responses.responded_at >= guides.reset_at
            or not {{ var('count_only_since_survey_reset') }}
        )

),

ranked as (

    -- The latest answer is the person's opinion now. Of two at the same millisecond
    -- the ids decide, and then what they say, so that each build picks the same one.
    -- Engines sort a null differently.
    select
        *,
        -- An NPS rating outside the scale of the question is no rating. Nor has another
        -- question a scale or a count of seven digits: that is a phone or another number,
        -- and one of them would be all that the account's mean tells.
        case
            when measure = 'nps_rating' and number not between 0 and 10 then null
            when abs(number) < 1000000 then number
        end as score,
        row_number() over (
            partition by measure, visitor_id
            order by responded_at desc, guide_id, poll_id, coalesce(account_id, ''), response
        ) = 1 as is_latest_of_visitor,
        is_in_survey_window and (
            '{{ var("survey_responses") }}' = 'all'
            or row_number() over (
                partition by measure, visitor_id, account_id, is_in_survey_window
                order by responded_at desc, guide_id, poll_id, response
            ) = 1
        ) as is_counted_in_account

    from chosen

)

select * from ranked
where is_latest_of_visitor or is_counted_in_account
