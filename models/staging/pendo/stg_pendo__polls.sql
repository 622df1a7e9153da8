with

source as (

    select * from {{ source('pendo', 'polls') }}

),

renamed as (

    select
        -- ids
        guide_id,
        poll_id,

        -- text
        guide_name,
        type as poll_type,
        question,

        -- numerics
        source.position as poll_position

    from source

)

select * from renamed
