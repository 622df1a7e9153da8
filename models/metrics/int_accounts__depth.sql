with

used as (

    select * from {{ ref('int_tagged_usage__windowed') }}

),

-- A feature that two people of an account used is one feature.
things as (

    {{ distinct_things('used', 'account_id') }}

),

counted as (

    {{ counted_things('things', 'account_id') }}

)

select * from counted
