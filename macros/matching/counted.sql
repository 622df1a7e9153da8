{#-
How many each side of a candidate pair may be: left_count, the records of the right system that the left one may be, and right_count, the
records of the left system that the right one may be. `candidates` names a CTE; yields the CTE `counted`.

Leads are counted apart: is_superseded says of a lead that the left record may be a contact, which comes first. Few pairs are not the only
one, so that small tables are joined to the large one, and nothing large is sorted.
-#}
{% macro counted(candidates) -%}
left_several as (

    select
        left_system,
        left_object,
        left_id,
        right_system,
        count(*) filter (where right_object = 'Lead') as lead_count,
        count(*) filter (where right_object <> 'Lead') as other_count
    from {{ candidates }}
    group by all
    having count(*) > 1

),

right_several as (

    select
        left_system,
        right_system,
        right_object,
        right_id,
        count(*) as pair_count
    from {{ candidates }}
    group by all
    having count(*) > 1

),

counted as (

    select
        {{ candidates }}.*,
        case
            when left_several.left_id is null then 1
            when {{ candidates }}.right_object = 'Lead' then left_several.lead_count
            else left_several.other_count
        end as left_count,
        coalesce(right_several.pair_count, 1) as right_count,
        {{ candidates }}.right_object = 'Lead' and coalesce(left_several.other_count, 0) > 0 as is_superseded
    from {{ candidates }}
    -- At most one row of each: they are grouped by what they are joined by.
    left join left_several
        on
            {{ candidates }}.left_system = left_several.left_system
            and {{ candidates }}.left_object = left_several.left_object
            and {{ candidates }}.left_id = left_several.left_id
            and {{ candidates }}.right_system = left_several.right_system
    left join right_several
        on
            {{ candidates }}.left_system = right_several.left_system
            and {{ candidates }}.right_system = right_several.right_system
            and {{ candidates }}.right_object = right_several.right_object
            and {{ candidates }}.right_id = right_several.right_id

)
{%- endmacro %}
