with

visitors as (

    select * from {{ ref('int_visitors__identified') }}

),

chosen as (

    select * from {{ ref('chosen_usage') }}

),

used as (

    select * from {{ ref('int_tagged_usage__windowed') }}

),

summed as (

    select
        used.visitor_id,
        {% for name in chosen_names(ref('chosen_usage')) -%}
        {% for days in var('window_days') -%}
        sum(used.events_{{ days }}) filter (where chosen.column_name = '{{ name }}')
            as {{ name }}_events_last_{{ days }},
        sum(used.minutes_{{ days }}) filter (where chosen.column_name = '{{ name }}')
            as {{ name }}_minutes_last_{{ days }},
        {% endfor -%}
        {% endfor -%}
        count(*) as chosen_count

    from used
    -- Many to one: a page or feature is chosen once.
    inner join chosen
        on used.kind = chosen.kind
        and used.tagged_id = chosen.tagged_id
    group by used.visitor_id

)

select
    {% for name in chosen_names(ref('chosen_usage')) -%}
    {% for days in var('window_days') -%}
    {% for measure in ['events', 'minutes'] -%}
    cast(coalesce(summed.{{ name }}_{{ measure }}_last_{{ days }}, 0) as bigint)
        as {{ name }}_{{ measure }}_last_{{ days }},
    {% endfor -%}
    {% endfor -%}
    {% endfor -%}
    visitors.visitor_id
from visitors
left join summed
    on visitors.visitor_id = summed.visitor_id
