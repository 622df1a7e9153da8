{{ config(materialized='view') }}

with

hubspot_companies as (

    select hubspot_companies.company_id as record_id
    from {{ ref('sync_hubspot__companies') }} as hubspot_companies
    -- One row: both are keyed by the record.
    inner join {{ ref('stg_hubspot__companies') }} as landed on hubspot_companies.company_id = landed.company_id
    where not coalesce(landed.is_archived, false)

),

hubspot_contacts as (

    select hubspot_contacts.contact_id as record_id
    from {{ ref('sync_hubspot__contacts') }} as hubspot_contacts
    -- One row: both are keyed by the record.
    inner join {{ ref('stg_hubspot__contacts') }} as landed on hubspot_contacts.contact_id = landed.contact_id
    where not coalesce(landed.is_archived, false)

),

-- Occurrences: nothing of them is landed.
hubspot_events as (

    select occurrence_id as record_id
    from {{ ref('sync_hubspot__events') }}

),

salesforce_accounts as (

    select salesforce_accounts.account_id as record_id
    from {{ ref('sync_salesforce__accounts') }} as salesforce_accounts
    -- One row: both are keyed by the record.
    inner join {{ ref('stg_salesforce__accounts') }} as landed on salesforce_accounts.account_id = landed.account_id
    where not coalesce(landed.is_deleted, false)

),

salesforce_contacts as (

    select salesforce_contacts.contact_id as record_id
    from {{ ref('sync_salesforce__contacts') }} as salesforce_contacts
    -- One row: both are keyed by the record.
    inner join {{ ref('stg_salesforce__contacts') }} as landed on salesforce_contacts.contact_id = landed.contact_id
    where not coalesce(landed.is_deleted, false)

),

pendo_accounts as (

    select pendo_accounts.account_id as record_id
    from {{ ref('sync_pendo__accounts') }} as pendo_accounts
    -- One row: both are keyed by the record.
    inner join {{ ref('stg_pendo__accounts') }} as landed on pendo_accounts.account_id = landed.account_id

),

pendo_visitors as (

    select pendo_visitors.visitor_id as record_id
    from {{ ref('sync_pendo__visitors') }} as pendo_visitors
    -- One row: both are keyed by the record.
    inner join {{ ref('stg_pendo__visitors') }} as landed on pendo_visitors.visitor_id = landed.visitor_id
    -- Who is excluded is never written to.
    where not landed.is_excluded

),

records as (

    select
        'hubspot' as destination,
        'companies' as object,
        record_id
    from hubspot_companies

    union all

    select
        'hubspot' as destination,
        'contacts' as object,
        record_id
    from hubspot_contacts

    union all

    select
        'hubspot' as destination,
        'events' as object,
        record_id
    from hubspot_events

    union all

    select
        'salesforce' as destination,
        'Account' as object,
        record_id
    from salesforce_accounts

    union all

    select
        'salesforce' as destination,
        'Contact' as object,
        record_id
    from salesforce_contacts

    union all

    select
        'pendo' as destination,
        'account' as object,
        record_id
    from pendo_accounts

    union all

    select
        'pendo' as destination,
        'visitor' as object,
        record_id
    from pendo_visitors

)

select * from records
