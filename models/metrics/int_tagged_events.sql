with

page_events as (

    select * from {{ ref('stg_pendo__page_events') }}

),

feature_events as (

    select * from {{ ref('stg_pendo__feature_events') }}

),

track_events as (

    select * from {{ ref('stg_pendo__track_events') }}

),

combined as (

    select
        visitor_id,
        account_id,
        'page' as kind,
        page_id as tagged_id,
        day_starts_ms,
        event_count,
        minutes
    from page_events

    union all

    select
        visitor_id,
        account_id,
        'feature' as kind,
        feature_id as tagged_id,
        day_starts_ms,
        event_count,
        minutes
    from feature_events

    union all

    select
        visitor_id,
        account_id,
        'track_type' as kind,
        track_type_id as tagged_id,
        day_starts_ms,
        event_count,
        minutes
    from track_events

)

select * from combined
