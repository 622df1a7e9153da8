with

source as (

    select * from {{ source('ledger', 'writes') }}

),

renamed as (

    select
        -- ids
        run_id,
        plan_id,
        record_id,

        -- text
        activation,
        destination,
        object,
        property,
        before_value,
        after_value,
        status,
        code,
        message,
        property_fingerprint,

        -- booleans
        is_to_blame,

        -- timestamps
        written_at,
        loaded_at

    from source

)

select * from renamed
