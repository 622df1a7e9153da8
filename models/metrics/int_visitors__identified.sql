with

visitors as (

    select * from {{ ref('stg_pendo__visitors') }}

),

identified as (

    select * from visitors
    where {{ is_identified('visitor_id', 'is_excluded') }}

)

select * from identified
