-- A view: the end of a sync is landed after the night's last build.
{{ config(materialized='view') }}

with

syncs as (

    select * from {{ ref('stg_ledger__syncs') }}

),

steps as (

    select * from {{ ref('stg_ledger__sync_steps') }}

)

select
    steps.sync_id,
    steps.position,
    steps.step,
    -- The step in which a sync died, or that is on its way.
    coalesce(steps.status, syncs.outcome, 'running') as status,
    steps.message,
    steps.started_at,
    steps.ended_at,
    {{ rounded_ratio(
        dbt.datediff('steps.started_at', 'steps.ended_at', 'millisecond'), 1000, 12, 3
    ) }} as seconds,
    steps.plan_id,
    steps.run_id,
    steps.row_count,
    steps.built_count,
    steps.passed_count,
    steps.failed_count,
    steps.skipped_count,
    steps.record_count,
    steps.change_count,
    steps.held_count,
    steps.kept_count,
    steps.invalid_count,
    steps.confirmed_count,
    steps.rejected_count,
    steps.unknown_count,
    steps.value_count,
    steps.call_count,
    syncs.started_at as sync_started_at,
    syncs.ended_at as sync_ended_at,
    coalesce(syncs.outcome, 'running') as sync_outcome,
    syncs.stopped_by as sync_stopped_by,
    syncs.host
from steps
inner join syncs on steps.sync_id = syncs.sync_id
