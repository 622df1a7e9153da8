with

occurrences as (

    select * from {{ ref('int_occurrences') }}

),

matches as (

    select * from {{ ref('matches') }}
    where crm = 'hubspot' and object = 'contacts'

),

visitors as (

    select * from {{ ref('int_visitors__identified') }}

),

contact_keys as (

    select * from {{ ref('int_keys') }}
    where system = 'hubspot' and object = 'contacts'

),

-- Nobody whom a person keeps apart or matched with somebody else, or who has several contacts: a new one would be a double.
unfound as (

    select
        unmatched.visitor_id,
        {{ normalized('visitors.email', 'email') }} as email
    from {{ ref('unmatched_visitors') }} as unmatched
    inner join visitors on unmatched.visitor_id = visitors.visitor_id
    where unmatched.crm = 'hubspot' and unmatched.reason = 'no_record'

),

-- What is sent to an address reaches whoever has it, and that must not be somebody else.
strangers as (

    select * from unfound
    where not exists (select 1 from contact_keys where contact_keys.key_value = unfound.email)

)

select
    occurrences.occurrence_id,
    occurrences.event_name,
    matches.record_id,
    strangers.email,
    {{ noon_in_zone('occurrences.usage_on', var('subscription_time_zone')) }} as occurred_at,
    occurrences.event_count,
    occurrences.minutes,
    occurrences.account_id
from occurrences
-- At most one: a match names one visitor and one record.
left join matches on occurrences.visitor_id = matches.product_id
-- At most one: they are keyed by the visitor.
left join strangers on occurrences.visitor_id = strangers.visitor_id
