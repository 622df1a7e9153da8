-- If false: a record that the models describe silently drops out of its diff, and its properties rot in the CRM.
with

synced as (

    select
        'hubspot.contacts' as landing,
        contact_id as record_id
    from {{ ref('sync_hubspot__contacts') }}
    where contact_id not in (select contacts.id from {{ source('hubspot', 'contacts') }} as contacts)

    union all

    select
        'hubspot.companies' as landing,
        company_id as record_id
    from {{ ref('sync_hubspot__companies') }}
    where company_id not in (select companies.id from {{ source('hubspot', 'companies') }} as companies)

    union all

    select
        'salesforce.contact' as landing,
        contact_id as record_id
    from {{ ref('sync_salesforce__contacts') }}
    where contact_id not in (select contact."Id" from {{ source('salesforce', 'contact') }} as contact)

    union all

    select
        'salesforce.account' as landing,
        account_id as record_id
    from {{ ref('sync_salesforce__accounts') }}
    where account_id not in (select account."Id" from {{ source('salesforce', 'account') }} as account)

    union all

    select
        'pendo.visitors' as landing,
        visitor_id as record_id
    from {{ ref('sync_pendo__visitors') }}
    where visitor_id not in (select visitors.visitor_id from {{ source('pendo', 'visitors') }} as visitors)

    union all

    select
        'pendo.accounts' as landing,
        account_id as record_id
    from {{ ref('sync_pendo__accounts') }}
    where account_id not in (select accounts.account_id from {{ source('pendo', 'accounts') }} as accounts)

)

select * from synced
