{%- set tables = {'page': 'pages', 'feature': 'features', 'track_type': 'track_types'} -%}
with

source as (

    {% for kind, table in tables.items() -%}
    select
        '{{ kind }}' as kind,
        {{ kind }}_id as tagged_id,
        app_id,
        name,
        group_name,
        created_at,
        updated_at
    from {{ source('pendo', table) }}
    {{ "union all" if not loop.last }}
    {% endfor %}

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
