with

source as (

    select * from {{ source('ledger', 'run_activations') }}

),

renamed as (

    select
        -- ids
        run_id,

        -- text
        activation,
        destination,
        object,

        -- numerics
        records as record_count,
        changes as planned_count,
        held as held_count,
        kept as kept_count,
        invalid as invalid_count

    from source

)

select * from renamed
