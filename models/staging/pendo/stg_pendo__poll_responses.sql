with

source as (

    select * from {{ source('pendo', 'poll_events') }}

),

renamed as (

    select
        -- ids
        visitor_id,
        nullif(account_id, '') as account_id,
        guide_id,
        poll_id,

        -- text
        poll_type,
        nullif(trim(poll_response), '') as response,

        -- timestamps
        {{ timestamp_from_millis('browser_time') }} as responded_at,
        {{
            date_in_zone(
                timestamp_from_millis('browser_time'), var('subscription_time_zone')
            )
        }} as responded_on

    from source

)

select * from renamed
