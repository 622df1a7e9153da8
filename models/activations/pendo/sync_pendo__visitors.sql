with

visitors as (

    select * from {{ ref('stg_pendo__visitors') }}
    where not is_excluded

),

matches as (

    select * from {{ ref('matches') }}
    where product_object = 'visitor'

),

conflicts as (

    select * from {{ ref('match_conflicts') }}
    where product_object = 'visitor'

),

hubspot_contacts as (

    select * from {{ ref('stg_hubspot__contacts') }}

),

hubspot_owners as (

    select * from {{ ref('stg_hubspot__owners') }}

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

salesforce_users as (

    select * from {{ ref('stg_salesforce__users') }}

),

-- A column that a CRM leaves empty clears its field, so a visitor whom one CRM has twice is left alone as a whole.
undecided as (

    select distinct conflicts.product_id as visitor_id
    from conflicts
    left join matches
        on
            conflicts.crm = matches.crm
            and conflicts.product_id = matches.product_id
    where matches.product_id is null

),

salesforce_people as (

    select
        'Contact' as object,
        contact_id as record_id,
        owner_id,
        job_title,
        cast(null as string) as lead_status
    from salesforce_contacts

    union all

    select
        'Lead' as object,
        lead_id as record_id,
        owner_id,
        job_title,
        lead_status
    from salesforce_leads

    union all

    select
        'PersonAccount' as object,
        salesforce_accounts.account_id as record_id,
        salesforce_accounts.owner_id,
        salesforce_contacts.job_title,
        cast(null as string) as lead_status
    from salesforce_accounts
    -- One: the contact that Salesforce keeps of a person account.
    inner join salesforce_contacts on salesforce_accounts.person_contact_id = salesforce_contacts.contact_id

),

in_hubspot as (

    select
        matches.product_id as visitor_id,
        hubspot_contacts.lifecycle_stage,
        hubspot_contacts.job_title,
        hubspot_contacts.created_at,
        hubspot_owners.email as owner_email
    from matches
    -- One to one: a match names one visitor and one record of a CRM.
    inner join hubspot_contacts on matches.record_id = hubspot_contacts.contact_id
    -- At most one: a contact has one owner.
    left join hubspot_owners on hubspot_contacts.owner_id = hubspot_owners.owner_id
    where matches.crm = 'hubspot'

),

in_salesforce as (

    select
        matches.product_id as visitor_id,
        salesforce_people.job_title,
        salesforce_people.lead_status,
        salesforce_users.email as owner_email
    from matches
    -- One to one: a match names one visitor and one record of a CRM.
    inner join salesforce_people
        on
            matches.object = salesforce_people.object
            and matches.record_id = salesforce_people.record_id
    -- At most one: a record has one owner.
    left join salesforce_users on salesforce_people.owner_id = salesforce_users.user_id
    where matches.crm = 'salesforce'

)

select
    visitors.visitor_id,
    in_hubspot.lifecycle_stage as hubspot_lifecycle_stage,
    in_hubspot.job_title as hubspot_job_title,
    in_hubspot.created_at as hubspot_created_at,
    in_hubspot.owner_email as hubspot_owner_email,
    in_salesforce.job_title as salesforce_job_title,
    in_salesforce.lead_status as salesforce_lead_status,
    in_salesforce.owner_email as salesforce_owner_email
from visitors
left join in_hubspot on visitors.visitor_id = in_hubspot.visitor_id
left join in_salesforce on visitors.visitor_id = in_salesforce.visitor_id
left join undecided on visitors.visitor_id = undecided.visitor_id
where
    coalesce(in_hubspot.visitor_id, in_salesforce.visitor_id) is not null
    and undecided.visitor_id is null
