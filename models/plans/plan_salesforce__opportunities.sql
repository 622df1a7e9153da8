with

differences as (

    select * from {{ ref('diff_salesforce__opportunities') }}

),

properties as (

    select * from {{ ref('int_crm_properties') }}
    where crm = 'salesforce' and object = 'Opportunity'

),

opportunities as (

    select * from {{ ref('stg_salesforce__opportunities') }}

),

{{ decide('differences', 'properties') }}

select
    decided.*,
    -- Salesforce locks the account while it writes one of its opportunities.
    opportunities.account_id as lock_group
from decided
-- At most one: a landing has an opportunity once.
left join opportunities on decided.record_id = opportunities.opportunity_id
