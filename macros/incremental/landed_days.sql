{#-
Each landed day with its sums. Grouped by the day's first millisecond, and only then turned into a date: a few
hundred conversions between time zones instead of one for each row.
-#}
{% macro landed_days(landed) -%}
    select
        day_starts_ms,
        {{
            date_in_zone(
                timestamp_from_millis('day_starts_ms'), var('subscription_time_zone')
            )
        }} as usage_on,
        sum(event_count) as event_count,
        sum(minutes) as minutes

    from {{ landed }}
    where event_count > 0
    group by day_starts_ms
{%- endmacro %}
