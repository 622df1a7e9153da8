with

differences as (

    select * from {{ ref('diff_salesforce__subscriptions') }}

),

properties as (

    select * from {{ ref('int_crm_properties') }}
    where crm = 'salesforce' and object = 'Subscription__c'

),

subscriptions as (

    select * from {{ ref('stg_salesforce__subscriptions') }}

),

{{ decide('differences', 'properties') }}

select
    decided.*,
    -- Salesforce locks the account while it writes one of its subscriptions.
    subscriptions.account_id as lock_group
from decided
-- At most one: a landing has a subscription once.
left join subscriptions on decided.record_id = subscriptions.subscription_id
