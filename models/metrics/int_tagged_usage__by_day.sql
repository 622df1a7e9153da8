with

events as (

    select * from {{ ref('int_tagged_events') }}

),

days as (

    {{ days_by_sums('events', 'int_tagged_usage__closed') }}

)

select * from days
