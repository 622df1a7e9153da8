with

source as (

    select * from {{ source('hubspot', 'associations') }}

),

renamed as (

    select
        -- ids
        from_object,
        from_id,
        to_object,
        to_id,
        type_id,

        -- text
        category,
        label,

        -- booleans
        -- HubSpot has one primary company for a contact (1), a deal (5) and a ticket (26).
        category = 'HUBSPOT_DEFINED' and type_id in (1, 5, 26) as is_primary

    from source

)

select * from renamed
