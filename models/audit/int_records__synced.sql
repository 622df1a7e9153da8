{{ config(materialized='view') }}

{#- The object, its sync model, the model of its landing, and what is true of a record that is alive; both models name the record alike. -#}
{%- set synced = [
    ('hubspot', 'companies', 'company_id', ref('sync_hubspot__companies'), ref('stg_hubspot__companies'), 'not coalesce(landed.is_archived, false)'),
    ('hubspot', 'contacts', 'contact_id', ref('sync_hubspot__contacts'), ref('stg_hubspot__contacts'), 'not coalesce(landed.is_archived, false)'),
    ('salesforce', 'Account', 'account_id', ref('sync_salesforce__accounts'), ref('stg_salesforce__accounts'), 'not coalesce(landed.is_deleted, false)'),
    ('salesforce', 'Contact', 'contact_id', ref('sync_salesforce__contacts'), ref('stg_salesforce__contacts'), 'not coalesce(landed.is_deleted, false)'),
    ('salesforce', 'Lead', 'lead_id', ref('sync_salesforce__leads'), ref('stg_salesforce__leads'), 'not coalesce(landed.is_deleted, false)'),
    ('salesforce', 'Opportunity', 'opportunity_id', ref('sync_salesforce__opportunities'), ref('stg_salesforce__opportunities'), 'not coalesce(landed.is_deleted, false)'),
    ('salesforce', 'Subscription__c', 'subscription_id', ref('sync_salesforce__subscriptions'), ref('stg_salesforce__subscriptions'), 'not coalesce(landed.is_deleted, false)'),
    ('pendo', 'account', 'account_id', ref('sync_pendo__accounts'), ref('stg_pendo__accounts'), 'true'),
    ('pendo', 'visitor', 'visitor_id', ref('sync_pendo__visitors'), ref('stg_pendo__visitors'), 'not landed.is_excluded'),
] -%}

{%- for destination, object, key, sync, landing, is_alive in synced %}
select
    '{{ destination }}' as destination,
    '{{ object }}' as object,
    synced.{{ key }} as record_id
from {{ sync }} as synced
-- One row: both are keyed by the record.
inner join {{ landing }} as landed on synced.{{ key }} = landed.{{ key }}
where {{ is_alive }}

union all
{% endfor %}
-- Occurrences: nothing of them is landed.
select
    'hubspot' as destination,
    'events' as object,
    occurrence_id as record_id
from {{ ref('sync_hubspot__events') }}
