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

records as (

    select
        'hubspot' as crm,
        'contacts' as object,
        contact_id as record_id,
        'visitor' as product_object,
        email,
        additional_emails,
        cast(null as varchar) as product_account_id,
        cast(null as varchar) as domain
    from hubspot_contacts

    union all

    select
        'hubspot' as crm,
        'companies' as object,
        company_id as record_id,
        'account' as product_object,
        cast(null as varchar) as email,
        cast(null as varchar) as additional_emails,
        product_account_id,
        domain
    from hubspot_companies

    union all

    select
        'salesforce' as crm,
        'Contact' as object,
        contact_id as record_id,
        'visitor' as product_object,
        email,
        cast(null as varchar) as additional_emails,
        cast(null as varchar) as product_account_id,
        cast(null as varchar) as domain
    from salesforce_contacts

    union all

    select
        'salesforce' as crm,
        'Account' as object,
        account_id as record_id,
        'account' as product_object,
        cast(null as varchar) as email,
        cast(null as varchar) as additional_emails,
        product_account_id,
        website as domain
    from salesforce_accounts

)

select * from records
