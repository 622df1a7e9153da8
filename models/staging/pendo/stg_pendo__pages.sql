with

source as (

    select * from {{ source('pendo', 'pages') }}

),

renamed as (

    select
        -- ids
        page_id,
        app_id,

        -- text
        name as page_name,
        group_name,

        -- timestamps
        {{ timestamp_from_millis('created_at') }} as created_at,
        {{ timestamp_from_millis('updated_at') }} as updated_at

    from source

)

select * from renamed
