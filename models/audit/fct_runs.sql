with

runs as (

    select * from {{ ref('stg_ledger__runs') }}

),

writes as (

    select * from {{ ref('stg_ledger__writes') }}

),

counted as (

    select
        run_id,
        count(*) as value_count,
        count(*) filter (where status = 'confirmed') as confirmed_count,
        count(*) filter (where status = 'rejected') as rejected_count,
        count(*) filter (where status = 'unknown') as unknown_count,
        count(distinct activation || ' ' || record_id) as record_count

    from writes
    group by run_id

)

select
    runs.run_id,
    runs.plan_id,
    runs.started_at,
    runs.ended_at,
    coalesce(runs.status, 'open') as status,
    coalesce(counted.record_count, 0) as record_count,
    coalesce(counted.value_count, 0) as value_count,
    coalesce(counted.confirmed_count, 0) as confirmed_count,
    coalesce(counted.rejected_count, 0) as rejected_count,
    coalesce(counted.unknown_count, 0) as unknown_count
from runs
left join counted on runs.run_id = counted.run_id
