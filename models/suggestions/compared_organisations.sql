with

accounts as (

    select * from {{ ref('stg_pendo__accounts') }}

),

hubspot_companies as (

    select * from {{ ref('stg_hubspot__companies') }}

),

hubspot_company_details as (

    select * from {{ source('hubspot', 'companies_compared') }}

),

salesforce_accounts as (

    select * from {{ ref('stg_salesforce__accounts') }}

),

salesforce_account_details as (

    select * from {{ source('salesforce', 'account_compared') }}

),

free_mail_domains as (

    select distinct {{ normalized('domain', 'domain') }} as domain
    from {{ ref('free_mail_domains') }}

),

living as (

    select * from {{ ref('int_records') }}

),

landed as (

    select
        'pendo' as system,
        'account' as object,
        account_id as record_id,
        account_name as company,
        cast(null as string) as phones,
        cast(null as string) as street,
        cast(null as string) as postal_code,
        cast(null as string) as city,
        domain
    from accounts

    union all

    select
        'hubspot' as system,
        'companies' as object,
        hubspot_companies.company_id as record_id,
        hubspot_companies.company_name as company,
        hubspot_company_details.phone as phones,
        hubspot_company_details.address as street,
        hubspot_company_details.zip as postal_code,
        hubspot_company_details.city,
        hubspot_companies.domain
    from hubspot_companies
    inner join hubspot_company_details on hubspot_companies.company_id = hubspot_company_details.id

    union all

    select
        'salesforce' as system,
        'Account' as object,
        salesforce_accounts.account_id as record_id,
        salesforce_accounts.account_name as company,
        salesforce_account_details.Phone as phones,
        salesforce_account_details.BillingStreet as street,
        salesforce_account_details.BillingPostalCode as postal_code,
        salesforce_account_details.BillingCity as city,
        salesforce_accounts.website as domain
    from salesforce_accounts
    inner join salesforce_account_details on salesforce_accounts.account_id = salesforce_account_details.Id

),

alive as (

    select
        landed.system,
        landed.object,
        landed.record_id,
        landed.company,
        landed.phones,
        landed.street,
        landed.postal_code,
        landed.city,
        {{ normalized('landed.domain', 'domain') }} as domain
    from landed
    inner join living
        on
            landed.system = living.system
            and landed.object = living.object
            and landed.record_id = living.record_id

),

telling as (

    select
        alive.system,
        alive.object,
        alive.record_id,
        alive.company,
        alive.phones,
        alive.street,
        alive.postal_code,
        alive.city,
        -- Gmail and friends never identify a company.
        case when free_mail_domains.domain is null then alive.domain end as domain
    from alive
    left join free_mail_domains on alive.domain = free_mail_domains.domain

)

select * from telling
