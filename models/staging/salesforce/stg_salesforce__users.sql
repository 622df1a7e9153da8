with

source as (

    select * from {{ source('salesforce', 'user') }}

),

renamed as (

    select
        -- ids
        Id as user_id,

        -- text
        Name as full_name,
        nullif(trim(Email), '') as email,

        -- booleans
        IsActive as is_active

    from source

)

select * from renamed
