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

hubspot_contact_details as (

    select * from {{ source('hubspot', 'contacts_compared') }}

),

salesforce_contacts as (

    select * from {{ ref('stg_salesforce__contacts') }}

),

salesforce_contact_details as (

    select * from {{ source('salesforce', 'contact_compared') }}

),

salesforce_leads as (

    select * from {{ ref('stg_salesforce__leads') }}

),

salesforce_lead_details as (

    select * from {{ source('salesforce', 'lead_compared') }}

),

salesforce_accounts as (

    select * from {{ ref('stg_salesforce__accounts') }}

),

living as (

    select * from {{ ref('int_records') }}

),

landed as (

    select
        'pendo' as system,
        'visitor' as object,
        visitors.visitor_id as record_id,
        cast(null as string) as given_name,
        cast(null as string) as family_name,
        visitors.full_name,
        accounts.account_name as company,
        cast(null as string) as phones,
        cast(null as string) as street,
        cast(null as string) as postal_code,
        cast(null as string) as city,
        -- Where the metadata has no address the id may be one.
        case
            when visitors.email is not null then visitors.email
            when contains(visitors.visitor_id, '@') then visitors.visitor_id
        end as emails
    from visitors
    left join accounts on visitors.last_account_id = accounts.account_id

    union all

    select
        'hubspot' as system,
        'contacts' as object,
        hubspot_contacts.contact_id as record_id,
        hubspot_contacts.first_name as given_name,
        hubspot_contacts.last_name as family_name,
        null as full_name,
        hubspot_contact_details.company,
        concat_ws(';', hubspot_contact_details.phone, hubspot_contact_details.mobilephone) as phones,
        hubspot_contact_details.address as street,
        hubspot_contact_details.zip as postal_code,
        hubspot_contact_details.city,
        concat_ws(';', hubspot_contacts.email, hubspot_contacts.additional_emails) as emails
    from hubspot_contacts
    inner join hubspot_contact_details on hubspot_contacts.contact_id = hubspot_contact_details.id

    union all

    select
        'salesforce' as system,
        -- A person account is read as its contact, and stands as the account.
        case when salesforce_contacts.is_person_account then 'PersonAccount' else 'Contact' end as object,
        case
            when salesforce_contacts.is_person_account then salesforce_contacts.account_id
            else salesforce_contacts.contact_id
        end as record_id,
        salesforce_contacts.first_name as given_name,
        salesforce_contacts.last_name as family_name,
        null as full_name,
        case when not salesforce_contacts.is_person_account then salesforce_accounts.account_name end as company,
        concat_ws(';', salesforce_contact_details.Phone, salesforce_contact_details.MobilePhone) as phones,
        salesforce_contact_details.MailingStreet as street,
        salesforce_contact_details.MailingPostalCode as postal_code,
        salesforce_contact_details.MailingCity as city,
        salesforce_contacts.email as emails
    from salesforce_contacts
    inner join salesforce_contact_details on salesforce_contacts.contact_id = salesforce_contact_details.Id
    left join salesforce_accounts on salesforce_contacts.account_id = salesforce_accounts.account_id

    union all

    select
        'salesforce' as system,
        'Lead' as object,
        salesforce_leads.lead_id as record_id,
        salesforce_leads.first_name as given_name,
        salesforce_leads.last_name as family_name,
        null as full_name,
        salesforce_leads.company_name as company,
        concat_ws(';', salesforce_lead_details.Phone, salesforce_lead_details.MobilePhone) as phones,
        salesforce_lead_details.Street as street,
        salesforce_lead_details.PostalCode as postal_code,
        salesforce_lead_details.City as city,
        salesforce_leads.email as emails
    from salesforce_leads
    inner join salesforce_lead_details on salesforce_leads.lead_id = salesforce_lead_details.Id

),

alive as (

    select
        landed.system,
        landed.object,
        landed.record_id,
        landed.given_name,
        landed.family_name,
        landed.full_name,
        landed.company,
        nullif(landed.phones, '') as phones,
        landed.street,
        landed.postal_code,
        landed.city,
        nullif(landed.emails, '') as emails
    from landed
    inner join living
        on
            landed.system = living.system
            and landed.object = living.object
            and landed.record_id = living.record_id

)

select * from alive
