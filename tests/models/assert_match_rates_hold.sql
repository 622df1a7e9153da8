-- A rule that stopped working would empty the sync without any error, and so would a threshold for a name that there is not.
with

thresholds as (

    {% for name, percent in var('match_percent_at_least').items() -%}
    select '{{ name }}' as name, {{ percent }} as percent_at_least {{ "union all" if not loop.last }}
    {% else -%}
    select cast(null as varchar) as name, cast(null as integer) as percent_at_least where false
    {%- endfor %}

),

ranked as (

    select
        crm || '.' || object as name,
        product_percent,
        lag(product_percent) over (partition by crm, object order by run_at) as percent_before,
        row_number() over (partition by crm, object order by run_at desc) as age
    from {{ ref('match_rates') }}

),

latest as (

    select * from ranked
    where age = 1

)

select
    coalesce(thresholds.name, latest.name) as name,
    thresholds.percent_at_least,
    latest.product_percent,
    latest.percent_before
from thresholds
full outer join latest on thresholds.name = latest.name
where
    -- Nobody to match is no part at all.
    coalesce(latest.product_percent, 0) < thresholds.percent_at_least
    or latest.name is null
    or latest.product_percent < latest.percent_before - {{ var('match_percent_may_fall_by') }}
