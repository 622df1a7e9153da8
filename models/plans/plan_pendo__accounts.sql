with

differences as (

    select * from {{ ref('diff_pendo__accounts') }}

),

properties as (

    select * from {{ ref('int_crm_properties') }}
    where crm = 'pendo' and object = 'account'

),

{{ decide('differences', 'properties') }}

select * from decided
