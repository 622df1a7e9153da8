with

accounts as (

    select * from {{ ref('stg_pendo__accounts') }}

),

visitors as (

    select * from {{ ref('int_visitors__identified') }}

),

usage as (

    select * from {{ ref('int_usage__windowed') }}

),

summed as (

    select
        usage.account_id,
        {% for days in var('window_days') -%}
        cast(count(*) filter (where ({{ active_days(days, 'usage') }}) > 0) as integer)
            as active_visitors_{{ days }},
        {% endfor -%}
        {{ summed_windows('usage') }}
    from usage
    -- Who does not count for themselves does not count for the account.
    inner join visitors
        on usage.visitor_id = visitors.visitor_id
    group by usage.account_id

),

filled as (

    select
        accounts.account_id,
        {{ whole_seconds('accounts.first_visit_at') }} as first_visit_at,
        {{ whole_seconds('accounts.last_visit_at') }} as last_visit_at,
        {% for days in var('window_days') -%}
        coalesce(summed.active_visitors_{{ days }}, 0) as active_visitors_{{ days }},
        {% endfor -%}
        {{ filled_windows('summed') }}
    from accounts
    left join summed
        on accounts.account_id = summed.account_id

)

select
    account_id,
    first_visit_at,
    last_visit_at,
    {% for days in var('window_days') -%}
    active_visitors_{{ days }} as active_visitors_last_{{ days }},
    {% endfor -%}
    {{ window_metrics() }}
from filled
