{{ config(materialized='view') }}

with

writes as (

    select * from {{ ref('stg_ledger__writes') }}

),

runs as (

    select * from {{ ref('stg_ledger__runs') }}

)

select
    writes.run_id,
    writes.plan_id,
    runs.started_at as run_started_at,
    writes.activation,
    writes.destination,
    writes.object,
    writes.record_id,
    writes.property,
    writes.before_value,
    writes.after_value,
    writes.status,
    writes.code,
    writes.message,
    writes.written_at
from writes
inner join runs on writes.run_id = runs.run_id
