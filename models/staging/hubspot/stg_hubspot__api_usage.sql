with

source as (

    select * from {{ source('hubspot', 'api_usage') }}

),

renamed as (

    select
        -- text
        name as limit_name,

        -- numerics
        usage_limit as call_limit,
        current_usage as call_count,

        -- timestamps
        collected_at,
        resets_at

    from source

)

select * from renamed
