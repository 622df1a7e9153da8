{%- set words = activity_columns() -%}
{%- set sums = window_sum_columns() -%}
with

usage as (

    select * from {{ ref('fct_usage_daily') }}

),

usage_days as (

    select distinct usage_on
    from {{ ref('int_landed_days') }}
    where
        roll_up = 'fct_usage_daily'
        and day_starts_ms is not null

),

closed as (

    select * from {{ ref('int_usage__closed') }}

),

today as (

    select
        max(as_of) as as_of,
        max(closed_through) as closed_through

    from {{ ref('dim_windows') }}

),

-- Which sums an open day belongs to: 1 or 0.
open_days as (

    select
        usage_on,
        {% for days in var('window_days') -%}
        {{ in_window('today.as_of', days, 'today.as_of - 1') }} as current_{{ days }},
        {{ in_previous_window('today.as_of', days, 'today.as_of - 1') }} as previous_{{ days }},
        {% endfor -%}
        {% for name in words -%}
        {{
            activity_bit(loop.index0, dbt.datediff('usage_on', 'today.as_of', 'day'), 'true')
        }} as {{ name }}{{ "," if not loop.last }}
        {% endfor %}
    from usage_days
    cross join today
    where
        usage_on > today.closed_through
        and usage_on < today.as_of

),

combined as (

    select
        visitor_id,
        account_id,
        {{ (words + sums) | join(', ') }}
    from closed

    union all

    select
        usage.visitor_id,
        usage.account_id,
        {% for name in words -%}
        open_days.{{ name }},
        {% endfor -%}
        {% for days in var('window_days') -%}
        usage.minutes * open_days.current_{{ days }} as minutes_{{ days }},
        usage.event_count * open_days.current_{{ days }} as events_{{ days }},
        usage.minutes * open_days.previous_{{ days }} as previous_minutes_{{ days }}{{ "," if not loop.last }}
        {% endfor %}
    from usage
    -- Many to one: a row of usage is of one day.
    inner join open_days
        on usage.usage_on = open_days.usage_on

),

windowed as (

    select
        combined.visitor_id,
        combined.account_id,
        {{ summed_windows('combined') }}
    from combined
    group by combined.visitor_id, combined.account_id

)

select * from windowed
