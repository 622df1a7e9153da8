{{ config(
    materialized='incremental',
    unique_key=['destination', 'object', 'record_id', 'property'],
    on_schema_change='sync_all_columns',
) }}

with

writes as (

    select * from {{ ref('stg_ledger__writes') }}

),

-- Journals that grew since the last build are landed again, whole; what they say nothing of stays as it was.
relevant as (

    select * from writes
    where {{ rows_landed_since(ref('stg_ledger__writes'), ['destination', 'object', 'record_id', 'property']) }}

),

-- Only what the vendor confirmed is known to stand in the CRM.
confirmed as (

    select * from relevant
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

    select * from relevant
    where status = 'unknown'
    qualify
        row_number() over (
            partition by destination, object, record_id, property
            order by run_id desc
        ) = 1

),

newest as (

    select
        destination,
        object,
        record_id,
        property,
        max(loaded_at) as loaded_at

    from relevant
    group by all

)

select
    confirmed.destination,
    confirmed.object,
    confirmed.record_id,
    confirmed.property,
    confirmed.run_id,
    confirmed.activation,
    confirmed.after_value,
    confirmed.written_at,
    {{ record_key('confirmed.destination', 'confirmed.object', 'confirmed.record_id') }} as record_key,
    unanswered.run_id is not null as has_unanswered,
    unanswered.after_value as unanswered_value,
    newest.loaded_at
from confirmed
inner join newest
    on
        confirmed.destination = newest.destination
        and confirmed.object = newest.object
        and confirmed.record_id = newest.record_id
        and confirmed.property = newest.property
-- At most one: both are the newest of their record and property.
left join unanswered
    on
        confirmed.destination = unanswered.destination
        and confirmed.object = unanswered.object
        and confirmed.record_id = unanswered.record_id
        and confirmed.property = unanswered.property
        and confirmed.run_id < unanswered.run_id
