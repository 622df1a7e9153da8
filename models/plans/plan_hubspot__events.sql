with

differences as (

    select * from {{ ref('diff_hubspot__events') }}

),

-- HubSpot keeps 256 characters of a property of an event, and refuses the call for more.
{{ decide_on_events('differences', 256) }}

select * from decided
