with

source as (

    select * from {{ source('hubspot', 'owners') }}

),

renamed as (

    select
        -- ids
        id as owner_id,
        user_id,

        -- text
        nullif(trim(email), '') as email,
        first_name,
        last_name,

        -- booleans
        archived as is_archived

    from source

)

select * from renamed
