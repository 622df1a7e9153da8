with

differences as (

    select * from {{ ref('diff_salesforce__contacts') }}

),

properties as (

    select * from {{ ref('int_crm_properties') }}
    where crm = 'salesforce' and object = 'Contact'

),

{{ decide('differences', 'properties') }}

select * from decided
