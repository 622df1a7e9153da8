with

writes as (

    select * from {{ ref('stg_ledger__writes') }}

),

-- Only what the vendor confirmed is known to stand in the CRM.
confirmed as (

    select * from writes
    where status = 'confirmed'
    -- The newest write wins; two in one second are told apart by their runs, whose ids sort by time.
    qualify
        row_number() over (
            partition by destination, object, record_id, property
            order by written_at desc, run_id desc
        ) = 1

),

-- What was sent and never answered may stand there too.
unanswered as (

    select * from writes
    where status = 'unknown'
    qualify
        row_number() over (
            partition by destination, object, record_id, property
            order by run_id desc
        ) = 1

)

select
    confirmed.destination,
    confirmed.object,
    confirmed.record_id,
    confirmed.property,
    confirmed.after_value,
    confirmed.written_at,
    unanswered.run_id is not null as has_unanswered,
    unanswered.after_value as unanswered_value
from confirmed
-- At most one: both are the newest of their record and property.
left join unanswered
    on
        confirmed.destination = unanswered.destination
        and confirmed.object = unanswered.object
        and confirmed.record_id = unanswered.record_id
        and confirmed.property = unanswered.property
        and confirmed.run_id < unanswered.run_id
