with

source as (

    select * from {{ source('pendo', 'guides') }}

),

renamed as (

    select
        -- ids
        guide_id,
        app_id,

        -- text
        name as guide_name,
        state as guide_state,

        -- timestamps
        {{ timestamp_from_millis('created_at') }} as created_at,
        {{ timestamp_from_millis('updated_at') }} as updated_at,
        -- Pendo sends 0 for a survey that was never reset.
        {{ timestamp_from_millis('nullif(reset_at, 0)') }} as reset_at

    from source

)

select * from renamed
