with

differences as (

    select * from {{ ref('diff_salesforce__leads') }}

),

properties as (

    select * from {{ ref('int_crm_properties') }}
    where crm = 'salesforce' and object = 'Lead'

),

{{ decide('differences', 'properties') }}

select * from decided
