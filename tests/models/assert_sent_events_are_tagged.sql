-- If false: a mistyped id in seeds/sent_events.csv sends nothing for ever, and sales believes that nobody uses the thing.
with

tagged as (

    select
        'page' as kind,
        page_id as tagged_id
    from {{ ref('stg_pendo__pages') }}

    union all

    select
        'feature' as kind,
        feature_id as tagged_id
    from {{ ref('stg_pendo__features') }}

    union all

    select
        'track_type' as kind,
        track_type_id as tagged_id
    from {{ ref('stg_pendo__track_types') }}

)

select chosen.*
from {{ ref('sent_events') }} as chosen
left join tagged
    on chosen.kind = tagged.kind
    and chosen.tagged_id = tagged.tagged_id
where tagged.tagged_id is null
