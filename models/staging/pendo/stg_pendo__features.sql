with

source as (

    select * from {{ source('pendo', 'features') }}

),

renamed as (

    select
        -- ids
        feature_id,
        app_id,

        -- text
        name as feature_name,
        group_name,

        -- timestamps
        {{ timestamp_from_millis('created_at') }} as created_at,
        {{ timestamp_from_millis('updated_at') }} as updated_at

    from source

)

select * from renamed
