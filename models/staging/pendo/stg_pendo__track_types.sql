with

source as (

    select * from {{ source('pendo', 'track_types') }}

),

renamed as (

    select
        -- ids
        track_type_id,
        app_id,

        -- text
        name as track_type_name,
        group_name,

        -- timestamps
        {{ timestamp_from_millis('created_at') }} as created_at,
        {{ timestamp_from_millis('updated_at') }} as updated_at

    from source

)

select * from renamed
