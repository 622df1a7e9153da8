with

hubspot_contacts as (

    select * from {{ ref('stg_hubspot__contacts') }}
    where not is_archived and contact_id not in ({{ merged_ids(ref('stg_hubspot__contacts'), 'merged_contact_ids') }})

),

hubspot_companies as (

    select * from {{ ref('stg_hubspot__companies') }}
    where not is_archived and company_id not in ({{ merged_ids(ref('stg_hubspot__companies'), 'merged_company_ids') }})

),

salesforce_contacts as (

    select * from {{ ref('stg_salesforce__contacts') }}
    where not is_deleted

),

salesforce_accounts as (

    select * from {{ ref('stg_salesforce__accounts') }}
    where not is_deleted

),

addresses as (

    select
        'hubspot' as crm,
        'contacts' as object,
        contact_id as record_id,
        email
    from hubspot_contacts

    union all

    -- Addresses that a contact had before, or has beside the first.
    select
        'hubspot' as crm,
        'contacts' as object,
        contact_id as record_id,
        {{ unnest_split('additional_emails', ';') }} as email
    from hubspot_contacts

    union all

    select
        'salesforce' as crm,
        'Contact' as object,
        contact_id as record_id,
        email
    from salesforce_contacts

),

companies as (

    select
        'hubspot' as crm,
        'companies' as object,
        company_id as record_id,
        product_account_id,
        domain
    from hubspot_companies

    union all

    select
        'salesforce' as crm,
        'Account' as object,
        account_id as record_id,
        product_account_id,
        website as domain
    from salesforce_accounts

),

keys as (

    select
        crm,
        object,
        record_id,
        'visitor' as product_object,
        'email' as key_kind,
        {{ normalized_email('email') }} as key_value
    from addresses

    union all

    select
        crm,
        object,
        record_id,
        'account' as product_object,
        'product_account_id' as key_kind,
        product_account_id as key_value
    from companies

    union all

    select
        crm,
        object,
        record_id,
        'account' as product_object,
        'domain' as key_kind,
        {{ normalized_domain('domain') }} as key_value
    from companies
    -- A record that names its account is not guessed at by its web address.
    where product_account_id is null

)

-- An address may stand twice on one record, differently written.
select distinct * from keys
where key_value is not null
