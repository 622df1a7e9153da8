{#- The rows of a seed of chosen pages, features and track types that name nothing of the product's. -#}
{% macro untagged(chosen) -%}
select chosen.*
from {{ chosen }} as chosen
left join {{ ref('stg_pendo__tags') }} as tags
    on chosen.kind = tags.kind
    and chosen.tagged_id = tags.tagged_id
where tags.tagged_id is null
{%- endmacro %}
