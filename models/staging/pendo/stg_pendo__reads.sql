with

source as (

    select * from {{ source('pendo', 'reads') }}

),

renamed as (

    select
        -- text
        object,
        mode as read_mode,

        -- timestamps
        read_at,
        {{ date_in_zone('read_at', var('subscription_time_zone')) }} as read_on

    from source

)

select * from renamed
