with

source as (

    {{
        every_kind(
            ['page_events', 'feature_events', 'track_events'],
            ['visitor_id', 'account_id', 'app_id', 'server', 'remote_ip', 'user_agent', 'day', 'num_events', 'num_minutes']
        )
    }}

),

renamed as (

    select
        -- ids
        visitor_id,
        nullif(account_id, '') as account_id,
        app_id,
        tagged_id,

        -- text
        kind,
        server as server_name,
        remote_ip,
        user_agent,

        -- numerics
        day as day_starts_ms,
        num_events as event_count,
        num_minutes as minutes,

        -- timestamps
        {{
            date_in_zone(timestamp_from_millis('day'), var('subscription_time_zone'))
        }} as event_on

    from source

)

select * from renamed
