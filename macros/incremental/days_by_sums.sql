{#-
What has landed of each day and what a roll-up holds of each, in events and minutes. Models of their own read it, as it takes long and waits for
nothing: the one pass over all rows that a night makes.
-#}
{% macro days_by_sums(events, roll_up) -%}
    -- By the day's first millisecond: a few hundred conversions between time zones instead of one for each row.
    select
        {{
            date_in_zone(
                timestamp_from_millis('landed.day_starts_ms'), var('subscription_time_zone')
            )
        }} as usage_on,
        landed.day_starts_ms,
        landed.event_count,
        landed.minutes,
        false as is_held
    from (
        select
            day_starts_ms,
            cast(sum(event_count) as bigint) as event_count,
            cast(sum(minutes) as bigint) as minutes
        from {{ events }}
        where event_count > 0
        group by day_starts_ms
    ) as landed

    union all

    select
        usage_on,
        cast(null as bigint) as day_starts_ms,
        cast(sum(event_count) as bigint) as event_count,
        cast(sum(minutes) as bigint) as minutes,
        true as is_held
    from {{ held_rows(roll_up, []) }} as held_rows
    group by usage_on
{%- endmacro %}
