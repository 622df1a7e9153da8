with

visitors as (

    select * from {{ ref('int_visitors__identified') }}

),

accounts as (

    select * from {{ ref('stg_pendo__accounts') }}

),

free_mail_domains as (

    select * from {{ ref('free_mail_domains') }}

),

visitor_emails as (

    select
        visitor_id,
        -- Many products use the address itself as the visitor's id.
        {{ normalized_email("coalesce(email, case when visitor_id like '%@%' then visitor_id end)") }} as email
    from visitors

),

account_domains as (

    select
        account_id,
        {{ normalized_domain('domain') }} as domain
    from accounts

),

keys as (

    select
        'visitor' as product_object,
        visitor_id as product_id,
        'email' as key_kind,
        email as key_value
    from visitor_emails
    where email is not null

    union all

    select
        'account' as product_object,
        account_id as product_id,
        'product_account_id' as key_kind,
        trim(account_id) as key_value
    from accounts

    union all

    select
        'account' as product_object,
        account_id as product_id,
        'domain' as key_kind,
        domain as key_value
    from account_domains
    -- Gmail and friends never identify a company.
    where domain is not null and domain not in (select free_mail_domains.domain from free_mail_domains)

)

select * from keys
