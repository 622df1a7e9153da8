with

source as (

    select * from {{ source('pendo', 'visitors') }}

),

listed as (

    select
        visitor_id,
        coalesce(do_not_process, false) as is_excluded,
        -- Pendo may give a visitor's last account without the list.
        {{ unnest_distinct_strings('account_ids', 'account_id') }} as account_id

    from source

)

select * from listed
where account_id <> ''
