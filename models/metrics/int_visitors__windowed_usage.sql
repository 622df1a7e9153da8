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
        {% for name in activity_columns() -%}
        bit_or(usage.{{ name }}) as {{ name }},
        {% endfor -%}
        {% for name in window_sum_columns() -%}
        sum(usage.{{ name }}) as {{ name }}{{ "," if not loop.last }}
        {% endfor %}
    from usage
    group by usage.visitor_id

),

-- A known visitor without a row in summed did nothing: that is zero, not unknown.
filled as (

    select
        visitors.visitor_id,
        {% for days in var('window_days') -%}
        coalesce({{ active_days(days) }}, 0) as active_days_{{ days }},
        {% endfor -%}
        {% for name in window_sum_columns() -%}
        cast(coalesce(summed.{{ name }}, 0) as bigint) as {{ name }}{{ "," if not loop.last }}
        {% endfor %}
    from visitors
    left join summed
        on visitors.visitor_id = summed.visitor_id

)

select
    {% for days in var('window_days') -%}
    active_days_{{ days }} as active_days_last_{{ days }},
    {{ rounded_ratio('100 * active_days_' ~ days, days, 5, 2) }}
        as active_days_percent_last_{{ days }},
    minutes_{{ days }} as minutes_last_{{ days }},
    events_{{ days }} as events_last_{{ days }},
    {{ rounded_ratio('events_' ~ days, 'active_days_' ~ days, 18, 2) }}
        as events_per_active_day_last_{{ days }},
    {{
        rounded_ratio(
            '100 * (minutes_' ~ days ~ ' - previous_minutes_' ~ days ~ ')',
            'previous_minutes_' ~ days, 12, 2
        )
    }} as usage_trend_percent_last_{{ days }},
    case
        when previous_minutes_{{ days }} > 0 then null
        when minutes_{{ days }} > 0 then 'new'
        else 'none'
    end as usage_trend_reason_last_{{ days }},
    {% endfor -%}
    visitor_id
from filled
