with

rejected as (

    select * from {{ ref('int_writes__rejected') }}

),

writes as (

    select * from {{ ref('fct_writes') }}
    where status = 'rejected'

),

synced as (

    select * from {{ ref('int_records__synced') }}

),

attempts as (

    select
        destination,
        object,
        record_id,
        property,
        count(*) as attempt_count,
        min(run_started_at) as first_rejected_at,
        max(run_started_at) as last_rejected_at

    from writes
    group by all

)

select
    rejected.activation,
    rejected.destination,
    rejected.object,
    rejected.record_id,
    rejected.property,
    rejected.after_value as rejected_value,
    rejected.code,
    rejected.message,
    rejected.mend,
    attempts.attempt_count,
    attempts.first_rejected_at,
    attempts.last_rejected_at
from rejected
-- At most one row. Of a record that has left the CRM or the model nothing is to be mended.
inner join synced
    on
        rejected.destination = synced.destination
        and rejected.object = synced.object
        and rejected.record_id = synced.record_id
-- One row: what was rejected was attempted.
inner join attempts
    on
        rejected.destination = attempts.destination
        and rejected.object = attempts.object
        and rejected.record_id = attempts.record_id
        and rejected.property = attempts.property
