with

visitors as (

    select * from {{ ref('int_visitors__identified') }}

),

usage as (

    select * from {{ ref('int_usage__windowed') }}

),

summed as (

    select
        usage.visitor_id,
        {{ summed_windows('usage') }}
    from usage
    group by usage.visitor_id

),

filled as (

    select
        visitors.visitor_id,
        {{ whole_seconds('visitors.first_visit_at') }} as first_visit_at,
        {{ whole_seconds('visitors.last_visit_at') }} as last_visit_at,
        {{ filled_windows('summed') }}
    from visitors
    left join summed
        on visitors.visitor_id = summed.visitor_id

)

select
    visitor_id,
    first_visit_at,
    last_visit_at,
    {{ window_metrics() }}
from filled
