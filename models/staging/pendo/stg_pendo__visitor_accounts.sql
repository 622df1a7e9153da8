with

source as (

    select * from {{ source('pendo', 'visitors') }}

),

listed as (

    select
        visitor_id,
        {{ unnest_json_strings('account_ids') }} as account_id

    from source

),

-- Pendo may give a visitor's last account without the list.
last_seen as (

    select
        visitor_id,
        account_id

    from source

),

combined as (

    select * from listed

    union

    select * from last_seen

)

select * from combined
where account_id <> ''
