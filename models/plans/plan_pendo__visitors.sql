with

differences as (

    select * from {{ ref('diff_pendo__visitors') }}

),

properties as (

    select * from {{ ref('int_crm_properties') }}
    where crm = 'pendo' and object = 'visitor'

),

{{ decide('differences', 'properties') }}

select * from decided
