with

source as (

    select * from {{ source('hubspot', 'deals') }}

),

renamed as (

    select
        -- ids
        id as deal_id,

        -- text
        dealname as deal_name,
        hs_merged_object_ids as merged_deal_ids,

        -- booleans
        archived as is_archived,

        -- timestamps
        created_at,
        updated_at,
        archived_at

    from source

)

select * from renamed
