{#- A roll-up of the days of changed_days: what each of its owners did on each day. -#}
{% macro summed_days(events, days, owner) -%}
    select
        {% for column in owner -%}
        {{ events }}.{{ column }},
        {% endfor -%}
        {{ days }}.usage_on,
        cast(sum({{ events }}.event_count) as bigint) as event_count,
        cast(sum({{ events }}.minutes) as bigint) as minutes

    from {{ events }}
    -- Many to one: a landed row is of one day.
    inner join {{ days }}
        on {{ events }}.day_starts_ms = {{ days }}.day_starts_ms
    -- A row without events is no usage, whatever its minutes.
    where {{ events }}.event_count > 0
    group by all
{%- endmacro %}
