with

writes as (

    select * from {{ ref('stg_ledger__writes') }}
    -- Only what the vendor confirmed is known to stand in the CRM.
    where status = 'confirmed'

)

select
    destination,
    object,
    record_id,
    property,
    after_value,
    written_at
from writes
-- The newest write wins; two in one second are told apart by their runs, whose ids sort by time.
qualify
    row_number() over (
        partition by destination, object, record_id, property
        order by written_at desc, run_id desc
    ) = 1
