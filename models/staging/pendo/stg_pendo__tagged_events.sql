{%- set tables = {'page': 'page_events', 'feature': 'feature_events', 'track_type': 'track_events'} -%}
with

source as (

    {% for kind, table in tables.items() -%}
    select
        '{{ kind }}' as kind,
        {{ kind }}_id as tagged_id,
        visitor_id,
        account_id,
        app_id,
        server,
        remote_ip,
        user_agent,
        day,
        num_events,
        num_minutes
    from {{ source('pendo', table) }}
    {{ "union all" if not loop.last }}
    {% endfor %}

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
