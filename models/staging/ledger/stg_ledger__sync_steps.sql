with

source as (

    select * from {{ source('ledger', 'sync_steps') }}

),

renamed as (

    select
        -- ids
        sync_id,
        plan_id,
        run_id,

        -- text
        step,
        status,
        message,

        -- numerics
        position,
        rows_landed as row_count,
        built as built_count,
        passed as passed_count,
        failed as failed_count,
        skipped as skipped_count,
        records as record_count,
        changes as change_count,
        held as held_count,
        kept as kept_count,
        invalid as invalid_count,
        confirmed as confirmed_count,
        rejected as rejected_count,
        unknown as unknown_count,
        values_confirmed as value_count,
        calls as call_count,

        -- timestamps
        started_at,
        ended_at

    from source

)

select * from renamed
