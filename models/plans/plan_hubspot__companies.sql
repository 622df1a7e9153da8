with

differences as (

    select * from {{ ref('diff_hubspot__companies') }}

),

properties as (

    select * from {{ ref('int_crm_properties') }}
    where crm = 'hubspot' and object = 'companies'

),

{{ decide('differences', 'properties') }}

select * from decided
