with

visitor_accounts as (

    select * from {{ ref('stg_pendo__visitor_accounts') }}

),

members as (

    -- The rule of int_visitors__identified; to join a million visitors with themselves costs more than to ask it again.
    select
        account_id,
        cast(count(*) as integer) as visitor_count

    from visitor_accounts
    where {{ is_identified('visitor_id', 'is_excluded') }}
    group by account_id

)

select * from members
