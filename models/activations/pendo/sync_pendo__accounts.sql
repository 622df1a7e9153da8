with

accounts as (

    select * from {{ ref('stg_pendo__accounts') }}

),

matches as (

    select * from {{ ref('matches') }}
    where product_object = 'account'

),

conflicts as (

    select * from {{ ref('match_conflicts') }}
    where product_object = 'account'

),

hubspot_companies as (

    select * from {{ ref('stg_hubspot__companies') }}

),

hubspot_owners as (

    select * from {{ ref('stg_hubspot__owners') }}

),

salesforce_accounts as (

    select * from {{ ref('stg_salesforce__accounts') }}

),

salesforce_users as (

    select * from {{ ref('stg_salesforce__users') }}

),

-- A column that a CRM leaves empty clears its field, so an account that one CRM has twice is left alone as a whole.
undecided as (

    select distinct conflicts.product_id as account_id
    from conflicts
    left join matches
        on
            conflicts.crm = matches.crm
            and conflicts.product_id = matches.product_id
    where matches.product_id is null

),

in_hubspot as (

    select
        matches.product_id as account_id,
        hubspot_companies.lifecycle_stage,
        hubspot_companies.industry,
        hubspot_companies.annual_revenue,
        hubspot_companies.employee_count,
        hubspot_owners.email as owner_email
    from matches
    -- One to one: a match names one account and one record of a CRM.
    inner join hubspot_companies on matches.record_id = hubspot_companies.company_id
    -- At most one: a company has one owner.
    left join hubspot_owners on hubspot_companies.owner_id = hubspot_owners.owner_id
    where matches.crm = 'hubspot'

),

in_salesforce as (

    select
        matches.product_id as account_id,
        salesforce_accounts.account_type,
        salesforce_accounts.industry,
        salesforce_accounts.annual_revenue,
        salesforce_accounts.employee_count,
        salesforce_users.email as owner_email
    from matches
    -- One to one: a match names one account and one record of a CRM.
    inner join salesforce_accounts on matches.record_id = salesforce_accounts.account_id
    -- At most one: an account has one owner.
    left join salesforce_users on salesforce_accounts.owner_id = salesforce_users.user_id
    where matches.crm = 'salesforce'

)

select
    accounts.account_id,
    in_hubspot.lifecycle_stage as hubspot_lifecycle_stage,
    in_hubspot.industry as hubspot_industry,
    in_hubspot.annual_revenue as hubspot_annual_revenue,
    in_hubspot.employee_count as hubspot_employee_count,
    in_hubspot.owner_email as hubspot_owner_email,
    in_salesforce.account_type as salesforce_type,
    in_salesforce.industry as salesforce_industry,
    in_salesforce.annual_revenue as salesforce_annual_revenue,
    in_salesforce.employee_count as salesforce_employee_count,
    in_salesforce.owner_email as salesforce_owner_email
from accounts
left join in_hubspot on accounts.account_id = in_hubspot.account_id
left join in_salesforce on accounts.account_id = in_salesforce.account_id
left join undecided on accounts.account_id = undecided.account_id
where
    coalesce(in_hubspot.account_id, in_salesforce.account_id) is not null
    and undecided.account_id is null
