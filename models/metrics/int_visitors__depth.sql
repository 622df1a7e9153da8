with

used as (

    select * from {{ ref('int_tagged_usage__windowed') }}

),

-- A page that a visitor saw in two accounts is one page.
things as (

    {{ distinct_things('used', 'visitor_id') }}

),

counted as (

    {{ counted_things('things', 'visitor_id') }}

)

select * from counted
