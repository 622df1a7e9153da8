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
    key_value
from candidates
-- Anything else is a conflict: nobody but a person may choose.
where record_count = 1 and product_count = 1
