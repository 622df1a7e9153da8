with

used as (

    select * from {{ ref('int_tagged_usage__windowed') }}

),

-- A feature that two people of an account used is one feature.
distinct_used as (

    select
        account_id,
        kind,
        tagged_id,
        {% for days in var('window_days') -%}
        sum(events_{{ days }}) as events_{{ days }}{{ "," if not loop.last }}
        {% endfor %}
    from used
    where account_id is not null
    group by account_id, kind, tagged_id

),

counted as (

    select
        account_id,
        {% for days in var('window_days') -%}
        cast(count(*) filter (where kind = 'page' and events_{{ days }} > 0) as integer)
            as pages_viewed_last_{{ days }},
        cast(count(*) filter (where kind = 'feature' and events_{{ days }} > 0) as integer)
            as features_used_last_{{ days }}{{ "," if not loop.last }}
        {% endfor %}
    from distinct_used
    group by account_id

)

select * from counted
