with

differences as (

    select * from {{ ref('diff_hubspot__contacts') }}

),

properties as (

    select * from {{ ref('int_crm_properties') }}
    where crm = 'hubspot' and object = 'contacts'

),

{{ decide('differences', 'properties') }}

select * from decided
