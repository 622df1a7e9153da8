with

source as (

    select * from {{ source('hubspot', 'properties') }}

),

renamed as (

    select
        -- text
        object,
        name as property,
        label,
        description,
        group_name,
        type,
        field_type,
        options,

        -- booleans
        calculated as is_calculated,
        has_unique_value,
        read_only_value as is_read_only,
        archived as is_archived

    from source

)

select * from renamed
