with

source as (

    select * from {{ source('hubspot', 'event_definitions') }}

),

renamed as (

    select
        -- text
        full_name,
        -- Without the account's prefix, as it was named.
        regexp_replace(full_name, '^[^_]*_', '') as event,
        label,
        description,

        -- booleans
        coalesce(archived, false) as is_archived

    from source

)

select * from renamed
