with

accounts as (

    select * from {{ ref('stg_pendo__accounts') }}

),

chosen as (

    select * from {{ ref('chosen_usage') }}

),

used as (

    select * from {{ ref('int_tagged_usage__windowed') }}

),

summed as (

    select
        used.account_id,
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
    group by used.account_id

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
    accounts.account_id
from accounts
left join summed
    on accounts.account_id = summed.account_id
