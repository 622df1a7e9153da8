with

visitors as (

    select * from {{ ref('stg_pendo__visitors') }}

),

identified as (

    select * from visitors
    where
        not {{ is_anonymous('visitor_id') }}
        -- Excluded in Pendo: staff, tests, people who objected.
        and not is_excluded

)

select * from identified
