with

usage as (

    select * from {{ ref('fct_tagged_usage_daily') }}

),

visitors as (

    select * from {{ ref('int_visitors__identified') }}

),

today as (

    select max(as_of) as as_of from {{ ref('dim_windows') }}

),

windowed as (

    select
        usage.visitor_id,
        usage.account_id,
        usage.kind,
        usage.tagged_id,
        {% for days in var('window_days') -%}
        cast(coalesce(sum(usage.event_count) filter (where usage.usage_on >= today.as_of - {{ days }}), 0) as bigint)
            as events_{{ days }},
        cast(coalesce(sum(usage.minutes) filter (where usage.usage_on >= today.as_of - {{ days }}), 0) as bigint)
            as minutes_{{ days }}{{ "," if not loop.last }}
        {% endfor %}
    from usage
    inner join visitors
        on usage.visitor_id = visitors.visitor_id
    cross join today
    where
        usage.usage_on >= today.as_of - {{ var('window_days') | max }}
        and usage.usage_on < today.as_of
    group by usage.visitor_id, usage.account_id, usage.kind, usage.tagged_id

)

select * from windowed
