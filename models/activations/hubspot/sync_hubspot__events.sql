with

occurrences as (

    select * from {{ ref('int_occurrences') }}

),

matches as (

    select * from {{ ref('matches') }}
    where crm = 'hubspot' and object = 'contacts'

),

-- Nobody whom a person keeps apart, or who has several contacts: a new one would be a double.
strangers as (

    select unmatched.visitor_id
    from {{ ref('unmatched_visitors') }} as unmatched
    where unmatched.crm = 'hubspot' and unmatched.reason = 'no_record'

),

visitors as (

    select * from {{ ref('int_visitors__identified') }}

)

select
    occurrences.occurrence_id,
    occurrences.event_name,
    matches.record_id,
    case when strangers.visitor_id is not null then lower(visitors.email) end as email,
    {{ noon_in_zone('occurrences.usage_on', var('subscription_time_zone')) }} as occurred_at,
    occurrences.event_count,
    occurrences.minutes,
    occurrences.account_id
from occurrences
-- At most one: a match names one visitor and one record.
left join matches on occurrences.visitor_id = matches.product_id
-- At most one of either: both are keyed by the visitor.
left join strangers on occurrences.visitor_id = strangers.visitor_id
left join visitors on occurrences.visitor_id = visitors.visitor_id
