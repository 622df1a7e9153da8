{#- The rows of a seed of chosen pages, features and track types that name nothing of the product's. -#}
{% macro untagged(chosen) -%}
with

tagged as (

    select
        'page' as kind,
        page_id as tagged_id
    from {{ ref('stg_pendo__pages') }}

    union all

    select
        'feature' as kind,
        feature_id as tagged_id
    from {{ ref('stg_pendo__features') }}

    union all

    select
        'track_type' as kind,
        track_type_id as tagged_id
    from {{ ref('stg_pendo__track_types') }}

)

select chosen.*
from {{ chosen }} as chosen
left join tagged
    on chosen.kind = tagged.kind
    and chosen.tagged_id = tagged.tagged_id
where tagged.tagged_id is null
{%- endmacro %}
