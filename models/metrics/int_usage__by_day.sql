with

events as (

    select * from {{ ref('stg_pendo__events') }}

),

days as (

    {{ days_by_sums('events', 'int_usage__closed') }}

)

select * from days
