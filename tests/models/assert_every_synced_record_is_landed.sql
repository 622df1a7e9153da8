-- If false: a record that the models describe silently drops out of its diff, and its properties rot in the CRM.
{%- set synced = [
    (ref('sync_hubspot__contacts'), 'contact_id', source('hubspot', 'contacts'), 'id'),
    (ref('sync_hubspot__companies'), 'company_id', source('hubspot', 'companies'), 'id'),
    (ref('sync_salesforce__contacts'), 'contact_id', source('salesforce', 'contact'), 'Id'),
    (ref('sync_salesforce__accounts'), 'account_id', source('salesforce', 'account'), 'Id'),
    (ref('sync_salesforce__leads'), 'lead_id', source('salesforce', 'lead'), 'Id'),
    (ref('sync_salesforce__opportunities'), 'opportunity_id', source('salesforce', 'opportunity'), 'Id'),
    (ref('sync_salesforce__subscriptions'), 'subscription_id', source('salesforce', 'subscription__c'), 'Id'),
    (ref('sync_pendo__visitors'), 'visitor_id', source('pendo', 'visitors'), 'visitor_id'),
    (ref('sync_pendo__accounts'), 'account_id', source('pendo', 'accounts'), 'account_id'),
] %}
{%- for sync, key, landing, id in synced %}
select
    '{{ sync.identifier }}' as model,
    {{ key }} as record_id
from {{ sync }}
where {{ key }} not in (select landed.{{ adapter.quote(id) }} from {{ landing }} as landed)
{{ "union all" if not loop.last }}
{%- endfor %}
