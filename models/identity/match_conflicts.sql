with

candidates as (

    select * from {{ ref('int_matches__candidates') }}
    where left_system = 'pendo'

)

select
    right_system as crm,
    right_object as object,
    left_object as product_object,
    left_id as product_id,
    right_id as record_id,
    rule,
    key_value,
    case
        when left_count > 1 and right_count > 1 then 'several_on_both_sides'
        when left_count > 1 then 'several_records'
        else 'several_' || left_object || 's'
    end as reason
from candidates
where (left_count > 1 or right_count > 1) and not is_superseded
