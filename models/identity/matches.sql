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
    key_value
from candidates
-- Anything else is a conflict: nobody but a person may choose.
where left_count = 1 and right_count = 1 and not is_superseded
