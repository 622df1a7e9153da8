with

source as (

    select * from {{ source('pendo', 'accounts') }}

),

renamed as (

    select
        -- ids
        account_id,

        -- text
        {{ json_text('agent', 'name') }} as account_name,
        nullif(trim({{ json_text('agent', 'domain') }}), '') as domain,

        -- timestamps
        {{ timestamp_from_millis('first_visit') }} as first_visit_at,
        {{ timestamp_from_millis('last_visit') }} as last_visit_at,
        {{ timestamp_from_millis('last_updated') }} as updated_at

    from source

)

select * from renamed
