{#-
What usage in a window means, for visitors and accounts alike. The three macros follow each other: sums of many rows, a row for
those without any, and the metrics that people read.
-#}

{#-
The sums of several rows of int_usage__summed, closed and open days together. Minutes and events add up; a day that is active in two rows
is one active day.
-#}
{% macro summed_windows(usage) -%}
    {% for name in activity_columns() -%}
    bit_or({{ usage }}.{{ name }}) as {{ name }},
    {% endfor -%}
    {% for name in window_sum_columns() -%}
    {{ whole_sum(usage ~ '.' ~ name ~ ' + ' ~ open_part(usage, name)) }} as {{ name }}{{ "," if not loop.last }}
    {% endfor %}
{%- endmacro %}

{#- The same, joined to those who may have none. Who is known and has no usage did nothing: that is zero, not unknown. -#}
{% macro filled_windows(summed) -%}
    {% for days in var('window_days') -%}
    coalesce({{ active_days(days, summed) }}, 0) as active_days_{{ days }},
    coalesce({{ summed }}.minutes_{{ days }}, 0) as minutes_{{ days }},
    coalesce({{ summed }}.events_{{ days }}, 0) as events_{{ days }},
    coalesce({{ summed }}.minutes_{{ 2 * days }} - {{ summed }}.minutes_{{ days }}, 0)
        as previous_minutes_{{ days }}{{ "," if not loop.last }}
    {% endfor %}
{%- endmacro %}

{#- The metrics of each window. -#}
{% macro window_metrics() -%}
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
    end as usage_trend_reason_last_{{ days }}{{ "," if not loop.last }}
    {% endfor %}
{%- endmacro %}

{#- A sum of whole numbers. As doubles they are exact up to 9,007,199,254,740,992, and cost less than the 128 bits of an engine's own sum. -#}
{% macro whole_sum(column) -%}
    cast(sum(cast({{ column }} as double)) as bigint)
{%- endmacro %}
