with

planned as (

    select * from {{ ref('stg_ledger__run_activations') }}

),

runs as (

    select * from {{ ref('stg_ledger__runs') }}

),

writes as (

    select * from {{ ref('stg_ledger__writes') }}

),

rejects as (

    select
        activation,
        count(*) as current_reject_count

    from {{ ref('current_rejects') }}
    group by activation

),

attempted as (

    select
        run_id,
        activation,
        count(*) as attempted_count,
        count(*) filter (where status = 'confirmed') as confirmed_count,
        count(*) filter (where status = 'rejected') as rejected_count,
        count(*) filter (where status = 'unknown') as unknown_count

    from writes
    group by all

),

by_run as (

    select
        planned.*,
        runs.started_at,
        runs.ended_at,
        coalesce(attempted.attempted_count, 0) as attempted_count,
        coalesce(attempted.confirmed_count, 0) as confirmed_count,
        coalesce(attempted.rejected_count, 0) as rejected_count,
        coalesce(attempted.unknown_count, 0) as unknown_count,
        row_number() over (partition by planned.activation order by planned.run_id desc) = 1 as is_last

    from planned
    inner join runs on planned.run_id = runs.run_id
    left join attempted
        on
            planned.run_id = attempted.run_id
            and planned.activation = attempted.activation

),

-- A run succeeded for an activation when it ended and the CRM took every value of it.
successes as (

    select
        activation,
        max(ended_at) as last_success_at

    from by_run
    where
        ended_at is not null
        and rejected_count = 0
        and unknown_count = 0
    group by activation

)

select
    by_run.activation,
    by_run.destination,
    by_run.object,
    by_run.run_id as last_run_id,
    by_run.started_at as last_run_at,
    by_run.ended_at is not null as is_ended,
    by_run.record_count,
    by_run.planned_count,
    by_run.attempted_count,
    by_run.confirmed_count,
    by_run.rejected_count,
    by_run.unknown_count,
    by_run.held_count,
    by_run.kept_count,
    by_run.invalid_count,
    successes.last_success_at,
    coalesce(rejects.current_reject_count, 0) as current_reject_count
from by_run
left join successes on by_run.activation = successes.activation
left join rejects on by_run.activation = rejects.activation
where by_run.is_last
