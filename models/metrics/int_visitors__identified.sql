with

visitors as (

    select * from {{ ref('stg_pendo__visitors') }}

),

identified as (

    select * from visitors
    where
        -- A person whom the product has not yet named.
        left(visitor_id, 9) <> '_PENDO_T_'
        -- The placeholder of Pendo's install snippet, sent when nobody filled it in.
        and visitor_id <> 'VISITOR-UNIQUE-ID'
        -- Excluded in Pendo: staff, tests, people who objected.
        and not is_excluded

)

select * from identified
