with

differences as (

    select * from {{ ref('diff_salesforce__accounts') }}

),

properties as (

    select * from {{ ref('int_crm_properties') }}
    where crm = 'salesforce' and object = 'Account'

),

{{ decide('differences', 'properties') }}

select * from decided
