with

used as (

    select * from {{ ref('int_tagged_usage__windowed') }}

),

-- A page that a visitor saw in two accounts is one page.
distinct_used as (

    select
        visitor_id,
        kind,
        tagged_id,
        {% for days in var('window_days') -%}
        sum(events_{{ days }}) as events_{{ days }}{{ "," if not loop.last }}
        {% endfor %}
    from used
    where visitor_id is not null
    group by visitor_id, kind, tagged_id

),

counted as (

    select
        visitor_id,
        {% for days in var('window_days') -%}
        cast(count(*) filter (where kind = 'page' and events_{{ days }} > 0) as integer)
            as pages_viewed_last_{{ days }},
        cast(count(*) filter (where kind = 'feature' and events_{{ days }} > 0) as integer)
            as features_used_last_{{ days }}{{ "," if not loop.last }}
        {% endfor %}
    from distinct_used
    group by visitor_id

)

select * from counted
