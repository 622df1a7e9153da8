with

source as (

    select * from {{ source('hubspot', 'event_properties') }}

),

renamed as (

    select
        -- text
        event as full_name,
        name as property,
        label,
        type,

        -- booleans
        coalesce(archived, false) as is_archived

    from source

)

select * from renamed
