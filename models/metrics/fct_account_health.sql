{%- set days = var('health_days') -%}
with

accounts as (

    select * from {{ ref('fct_account_metrics') }}

),

components as (

    select * from {{ ref('health_components') }}

),

-- The value of a component is amount / of_all, which is not divided before the points are rounded.
measured as (

    select
        account_id,
        'frequency' as component,
        cast(100 * active_days_last_{{ days }} as decimal(18, 2)) as amount,
        {{ days }} as of_all
    from accounts

    union all

    select
        account_id,
        'breadth' as component,
        cast(100 * active_visitors_last_{{ days }} as decimal(18, 2)) as amount,
        nullif(visitor_count, 0) as of_all
    from accounts

    union all

    select
        account_id,
        'depth' as component,
        cast(features_used_last_{{ days }} as decimal(18, 2)) as amount,
        1 as of_all
    from accounts

    union all

    -- -100 to 100 on either scale.
    select
        account_id,
        'sentiment' as component,
        cast(nps_score * {{ 100 // var('nps_scale') }} as decimal(18, 2)) as amount,
        1 as of_all
    from accounts

),

scored as (

    select
        measured.account_id,
        measured.component,
        components.weight,
        {{
            rounded_ratio(
                '100 * greatest(0, least(measured.amount, components.full_at * measured.of_all))',
                'components.full_at * measured.of_all', 5, 2
            )
        }} as points

    from measured
    inner join components
        on measured.component = components.component
    -- What is unknown takes no part, rather than counting as bad.
    where
        measured.amount is not null
        and measured.of_all is not null

),

combined as (

    select
        account_id,
        {{ rounded_ratio('sum(weight * points)', 'sum(weight) filter (where points is not null)', 4, 1) }} as health_score,
        max(points) filter (where component = 'frequency') as frequency_points,
        max(points) filter (where component = 'breadth') as breadth_points,
        max(points) filter (where component = 'depth') as depth_points,
        max(points) filter (where component = 'sentiment') as sentiment_points

    from scored
    group by account_id

)

select
    accounts.account_id,
    combined.health_score,
    combined.frequency_points,
    combined.breadth_points,
    combined.depth_points,
    combined.sentiment_points
from accounts
left join combined
    on accounts.account_id = combined.account_id
