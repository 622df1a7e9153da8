{#-
The product's living visitors or accounts without a match, one row per CRM, and why; the first reason that holds is told. `product_object`
is visitor or account.
-#}
{% macro unmatched(product_object) -%}
with

records as (

    select * from {{ ref('int_records') }}
    where system = 'pendo' and object = '{{ product_object }}'

),

crms as (

    select distinct right_system as crm
    from {{ ref('match_rules') }}
    where left_system = 'pendo' and left_object = '{{ product_object }}'

),

keys as (

    select distinct record_id
    from {{ ref('int_keys') }}
    where system = 'pendo' and object = '{{ product_object }}'

),

matches as (

    select * from {{ ref('matches') }}
    where product_object = '{{ product_object }}'

),

conflicts as (

    select distinct
        crm,
        product_id
    from {{ ref('match_conflicts') }}
    where product_object = '{{ product_object }}'

),

forbidden as (

    select distinct
        right_system as crm,
        left_id as product_id
    from {{ ref('int_match_overrides__followed') }}
    where left_system = 'pendo' and left_object = '{{ product_object }}' and decision = 'forbid'

),

-- Of one visitor's or account's the first in the order of reasons, which is the last of the alphabet.
ruled_out as (

    select
        right_system as crm,
        left_id as product_id,
        max(ruled_out) as reason
    from {{ ref('int_matches__candidates') }}
    where left_system = 'pendo' and left_object = '{{ product_object }}' and ruled_out is not null
    group by all

)

select
    crms.crm,
    records.record_id as {{ product_object }}_id,
    case
        when conflicts.product_id is not null then 'conflict'
        when forbidden.product_id is not null then 'forbidden'
        when ruled_out.reason is not null then ruled_out.reason
        when keys.record_id is null then 'no_key'
        else 'no_record'
    end as reason
from records
cross join crms
left join matches on records.record_id = matches.product_id and crms.crm = matches.crm
left join conflicts on records.record_id = conflicts.product_id and crms.crm = conflicts.crm
left join forbidden on records.record_id = forbidden.product_id and crms.crm = forbidden.crm
left join ruled_out on records.record_id = ruled_out.product_id and crms.crm = ruled_out.crm
left join keys on records.record_id = keys.record_id
where matches.product_id is null
{%- endmacro %}
