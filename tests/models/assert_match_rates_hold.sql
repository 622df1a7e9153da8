-- A rule that stopped working would empty the sync without any error, and so would a threshold for a name that there is not.
-- The run that fell is among the rates, too: compared with it, the next one would pass. So the best run counts, until a
-- person accepts what there is now.
with

thresholds as (

    {% for name, percent in var('match_percent_at_least').items() -%}
    select '{{ name }}' as name, {{ percent }} as percent_at_least {{ "union all" if not loop.last }}
    {% else -%}
    select cast(null as string) as name, cast(null as integer) as percent_at_least where false
    {%- endfor %}

),

accepted as (

    {% for name, moment in var('match_percent_accepted_from').items() -%}
    select '{{ name }}' as name, cast('{{ moment }}' as timestamp) as accepted_from {{ "union all" if not loop.last }}
    {% else -%}
    select cast(null as string) as name, cast(null as timestamp) as accepted_from where false
    {%- endfor %}

),

named as (

    select name from thresholds
    union
    select name from accepted

),

rates as (

    select
        crm || '.' || object as name,
        run_at,
        product_percent,
        -- An object that the newest run tells nothing of has no part left.
        run_at = max(run_at) over () as is_newest
    from {{ ref('match_rates') }}

),

compared as (

    select
        rates.name,
        max(rates.product_percent) filter (where rates.is_newest) as product_percent,
        max(rates.product_percent) filter (
            where accepted.accepted_from is null or rates.run_at >= accepted.accepted_from
        ) as best_percent
    from rates
    left join accepted on rates.name = accepted.name
    group by rates.name

)

select
    coalesce(named.name, compared.name) as name,
    thresholds.percent_at_least,
    compared.product_percent,
    compared.best_percent
from named
full outer join compared on named.name = compared.name
left join thresholds on named.name = thresholds.name
where
    -- Nobody to match is no part at all.
    coalesce(compared.product_percent, 0) < thresholds.percent_at_least
    or compared.name is null
    or coalesce(compared.product_percent, 0) < compared.best_percent - {{ var('match_percent_may_fall_by') }}
