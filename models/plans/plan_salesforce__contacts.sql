with

differences as (

    select * from {{ ref('diff_salesforce__contacts') }}

),

properties as (

    select * from {{ ref('int_crm_properties') }}
    where crm = 'salesforce' and object = 'Contact'

),

contacts as (

    select * from {{ ref('stg_salesforce__contacts') }}

),

{{ decide('differences', 'properties') }}

select
    decided.*,
    -- Salesforce locks the account while it writes one of its contacts.
    contacts.account_id as lock_group
from decided
-- At most one: a landing has a contact once.
left join contacts on decided.record_id = contacts.contact_id
