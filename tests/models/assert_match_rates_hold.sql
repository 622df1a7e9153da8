-- A rule that stopped working would empty the sync without any error.
with

ranked as (

    select
        *,
        lag(product_percent) over (partition by crm, object order by run_at) as percent_before,
        row_number() over (partition by crm, object order by run_at desc) as age
    from {{ ref('match_rates') }}

)

select
    crm,
    object,
    product_percent,
    percent_before
from ranked
where
    age = 1
    and (
        product_percent < percent_before - {{ var('match_percent_may_fall_by') }}
        {%- for name, percent in var('match_percent_at_least').items() %}
        or (crm || '.' || object = '{{ name }}' and product_percent < {{ percent }})
        {%- endfor %}
    )
