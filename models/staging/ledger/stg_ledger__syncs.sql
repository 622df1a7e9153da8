with

source as (

    select * from {{ source('ledger', 'syncs') }}

),

renamed as (

    select
        -- ids
        sync_id,

        -- text
        outcome,
        stopped_by,
        host,

        -- timestamps
        started_at,
        ended_at

    from source

)

select * from renamed
