with

source as (

    select * from {{ source('salesforce', 'limits') }}

),

renamed as (

    select
        -- text
        name as limit_name,

        -- numerics
        source.max as call_limit,
        remaining as remaining_count

    from source

)

select * from renamed
