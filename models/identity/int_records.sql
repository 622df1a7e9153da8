with

visitors as (

    select * from {{ ref('stg_pendo__visitors') }}

),

accounts as (

    select * from {{ ref('stg_pendo__accounts') }}

),

hubspot_contacts as (

    select * from {{ ref('stg_hubspot__contacts') }}

),

hubspot_companies as (

    select * from {{ ref('stg_hubspot__companies') }}

),

hubspot_deals as (

    select * from {{ ref('stg_hubspot__deals') }}

),

salesforce_contacts as (

    select * from {{ ref('stg_salesforce__contacts') }}

),

salesforce_leads as (

    select * from {{ ref('stg_salesforce__leads') }}

),

salesforce_accounts as (

    select * from {{ ref('stg_salesforce__accounts') }}

),

salesforce_opportunities as (

    select * from {{ ref('stg_salesforce__opportunities') }}

),

gone as (

    select * from {{ ref('int_records__gone') }}

),

landed as (

    select 'pendo' as system, 'visitor' as object, visitor_id as record_id from visitors
    union all
    select 'pendo' as system, 'account' as object, account_id as record_id from accounts
    union all
    select 'hubspot' as system, 'contacts' as object, contact_id as record_id from hubspot_contacts
    union all
    select 'hubspot' as system, 'companies' as object, company_id as record_id from hubspot_companies
    union all
    select 'hubspot' as system, 'deals' as object, deal_id as record_id from hubspot_deals
    union all
    select 'salesforce' as system, 'Contact' as object, contact_id as record_id from salesforce_contacts
    union all
    select 'salesforce' as system, 'Lead' as object, lead_id as record_id from salesforce_leads
    union all
    select 'salesforce' as system, 'Account' as object, account_id as record_id from salesforce_accounts
    union all
    select 'salesforce' as system, 'Opportunity' as object, opportunity_id as record_id from salesforce_opportunities
    union all
    -- A person is no organisation, though Salesforce keeps both in one object.
    select 'salesforce' as system, 'PersonAccount' as object, account_id as record_id from salesforce_accounts
    where is_person_account and not is_deleted

),

living as (

    select landed.*
    from landed
    left join gone
        on
            landed.system = gone.system
            and landed.object = gone.object
            and landed.record_id = gone.record_id
    where gone.record_id is null

)

select * from living
