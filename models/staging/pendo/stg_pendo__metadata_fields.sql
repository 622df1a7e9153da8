with

source as (

    select * from {{ source('pendo', 'metadata_fields') }}

),

renamed as (

    select
        -- text
        object,
        group_name,
        name as field,
        display_name as label,
        type,

        -- booleans
        coalesce(hidden, false) as is_hidden,
        coalesce(deleted, false) as is_deleted,
        coalesce(calculated, false) as is_calculated,
        coalesce(per_app, false) as is_per_app

    from source

)

select * from renamed
