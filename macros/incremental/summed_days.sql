{#- The landed rows of a number of days, with the date of each. -#}
{% macro dated_rows(events, days, owner) -%}
    select
        {% for column in owner -%}
        {{ events }}.{{ column }},
        {% endfor -%}
        {{ days }}.usage_on,
        {{ events }}.event_count,
        {{ events }}.minutes

    from {{ events }}
    -- Many to one: a landed row is of one day.
    inner join {{ days }}
        on {{ events }}.day_starts_ms = {{ days }}.day_starts_ms
    -- A row without events is no usage, whatever its minutes.
    where {{ events }}.event_count > 0
{%- endmacro %}

{#- A roll-up of them: what each of its owners did on each day. -#}
{% macro summed_days(events, days, owner) -%}
    select
        {% for column in owner -%}
        {{ column }},
        {% endfor -%}
        usage_on,
        cast(sum(event_count) as bigint) as event_count,
        cast(sum(minutes) as bigint) as minutes

    from (
        {{ dated_rows(events, days, owner) }}
    ) as dated_rows
    group by all
{%- endmacro %}
