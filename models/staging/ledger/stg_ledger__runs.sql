with

source as (

    select * from {{ source('ledger', 'runs') }}

),

renamed as (

    select
        -- ids
        run_id,
        plan_id,

        -- text
        status,

        -- timestamps
        started_at,
        ended_at

    from source

)

select * from renamed
