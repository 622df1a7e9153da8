with

differences as (

    select * from {{ ref('diff_hubspot__events') }}

),

definitions as (

    select * from {{ ref('int_crm_events') }}
    where crm = 'hubspot'

),

-- HubSpot keeps 256 characters of a property of an event, and refuses the call for more.
{{ decide_on_events('differences', 256, 'definitions') }}

select * from decided
