with

records as (

    select * from {{ ref('int_crm_records') }}

),

addresses as (

    select
        crm,
        object,
        record_id,
        product_object,
        email
    from records

    union all

    -- Addresses that a contact had before, or has beside the first.
    select
        crm,
        object,
        record_id,
        product_object,
        {{ unnest_split('additional_emails', ';') }} as email
    from records

),

keys as (

    select
        crm,
        object,
        record_id,
        product_object,
        'email' as key_kind,
        {{ normalized_email('email') }} as key_value
    from addresses

    union all

    select
        crm,
        object,
        record_id,
        product_object,
        'product_account_id' as key_kind,
        product_account_id as key_value
    from records

    union all

    select
        crm,
        object,
        record_id,
        product_object,
        'domain' as key_kind,
        {{ normalized_domain('domain') }} as key_value
    from records
    -- A record that names its account is not guessed at by its web address.
    where product_account_id is null

)

-- An address may stand twice on one record, differently written.
select distinct * from keys
where key_value is not null
