with

source as (

    select * from {{ source('pendo', 'visitors') }}

),

renamed as (

    select
        -- ids
        visitor_id,
        nullif(account_id, '') as last_account_id,

        -- text
        nullif(trim({{ json_text('agent', 'email') }}), '') as email,
        {{ json_text('agent', 'full_name') }} as full_name,
        {{ json_text('agent', 'role') }} as role_name,

        -- booleans
        coalesce(do_not_process, false) as is_excluded,

        -- timestamps
        {{ timestamp_from_millis('first_visit') }} as first_visit_at,
        {{ timestamp_from_millis('last_visit') }} as last_visit_at,
        {{ timestamp_from_millis('last_updated') }} as updated_at

    from source

)

select * from renamed
