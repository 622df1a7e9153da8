with

candidates as (

    select * from {{ ref('int_record_pairs__candidates') }}

)

select
    left_object as hubspot_object,
    left_id as hubspot_id,
    right_object as salesforce_object,
    right_id as salesforce_id,
    rule,
    key_value,
    case
        when left_count > 1 and right_count > 1 then 'several_on_both_sides'
        when left_count > 1 then 'several_salesforce_records'
        else 'several_hubspot_records'
    end as reason
from candidates
where (left_count > 1 or right_count > 1) and not is_superseded
