with

writes as (

    select * from {{ ref('stg_ledger__writes') }}
    where status = 'rejected'

),

latest as (

    select * from {{ ref('int_writes__latest') }}

),

codes as (

    select * from {{ ref('rejection_codes') }}

),

newest as (

    select * from writes
    qualify
        row_number() over (
            partition by destination, object, record_id, property
            order by run_id desc
        ) = 1

)

select
    newest.destination,
    newest.object,
    newest.record_id,
    newest.property,
    newest.run_id,
    newest.activation,
    newest.after_value,
    newest.code,
    newest.message,
    newest.property_fingerprint,
    coalesce(codes.mend, 'Mend what the message names, or hold the value back in the model.') as mend
from newest
-- At most one: the ledger has one newest confirmed write, and the seed one row a code.
left join latest
    on
        newest.destination = latest.destination
        and newest.object = latest.object
        and newest.record_id = latest.record_id
        and newest.property = latest.property
left join codes
    on
        newest.destination = codes.destination
        and newest.code = codes.code
where
    -- A later write that the CRM took ends the matter.
    (latest.run_id is null or latest.run_id < newest.run_id)
    and not coalesce(codes.is_passing, false)
    -- Where the CRM names a property, it has nothing against the values that went with it.
    and coalesce(newest.is_to_blame, true)
