with

source as (

    {{
        every_kind(
            ['pages', 'features', 'track_types'],
            ['app_id', 'name', 'group_name', 'created_at', 'updated_at']
        )
    }}

),

renamed as (

    select
        -- ids
        tagged_id,
        app_id,

        -- text
        kind,
        name as tag_name,
        group_name,

        -- timestamps
        {{ timestamp_from_millis('created_at') }} as created_at,
        {{ timestamp_from_millis('updated_at') }} as updated_at

    from source

)

select * from renamed
