with

sent as (

    select * from {{ ref('int_sent') }}

)

select
    activation,
    run_id,
    record_id,
    property,
    status,
    sent_value,
    landed_value,
    written_at
from sent
where status <> 'as_sent'
