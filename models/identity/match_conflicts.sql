with

candidates as (

    select * from {{ ref('int_matches__candidates') }}

)

select
    crm,
    object,
    product_object,
    product_id,
    record_id,
    key_kind,
    key_value,
    case
        when record_count > 1 and product_count > 1 then 'several_on_both_sides'
        when record_count > 1 then 'several_records'
        else 'several_' || product_object || 's'
    end as reason
from candidates
where record_count > 1 or product_count > 1
