with recursive

visitors as (

    select * from {{ ref('stg_pendo__visitors') }}

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

hubspot_merged_ids as (

    select * from {{ ref('stg_hubspot__merged_ids') }}

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

salesforce_merged_records as (

    select * from {{ ref('stg_salesforce__merged_records') }}

),

told as (

    select
        'hubspot' as system,
        object,
        merged_id as record_id,
        'merged' as reason,
        object as next_object,
        record_id as next_id
    from hubspot_merged_ids

    union all

    select
        'hubspot' as system,
        'contacts' as object,
        contact_id as record_id,
        'archived' as reason,
        null as next_object,
        null as next_id
    from hubspot_contacts
    where is_archived

    union all

    select
        'hubspot' as system,
        'companies' as object,
        company_id as record_id,
        'archived' as reason,
        null as next_object,
        null as next_id
    from hubspot_companies
    where is_archived

    union all

    select
        'hubspot' as system,
        'deals' as object,
        deal_id as record_id,
        'archived' as reason,
        null as next_object,
        null as next_id
    from hubspot_deals
    where is_archived

    union all

    select
        'salesforce' as system,
        object,
        record_id,
        'merged' as reason,
        object as next_object,
        master_record_id as next_id
    from salesforce_merged_records

    union all

    select
        'salesforce' as system,
        'Contact' as object,
        contact_id as record_id,
        case when is_deleted then 'deleted' else 'person_account' end as reason,
        case when is_deleted then null else 'PersonAccount' end as next_object,
        case when is_deleted then null else account_id end as next_id
    from salesforce_contacts
    where is_deleted or is_person_account

    union all

    select
        'salesforce' as system,
        'Lead' as object,
        lead_id as record_id,
        case when is_converted then 'converted' else 'deleted' end as reason,
        case when is_converted then 'Contact' end as next_object,
        case when is_converted then converted_contact_id end as next_id
    from salesforce_leads
    where is_deleted or is_converted

    union all

    select
        'salesforce' as system,
        'Account' as object,
        account_id as record_id,
        case when is_deleted then 'deleted' else 'person_account' end as reason,
        case when is_deleted then null else 'PersonAccount' end as next_object,
        case when is_deleted then null else account_id end as next_id
    from salesforce_accounts
    where is_deleted or is_person_account

    union all

    select
        'salesforce' as system,
        'Opportunity' as object,
        opportunity_id as record_id,
        'deleted' as reason,
        null as next_object,
        null as next_id
    from salesforce_opportunities
    where is_deleted

),

-- A merged record lies in the recycle bin, too: where it leads to says more.
steps as (

    select * from told
    qualify row_number() over (partition by system, object, record_id order by next_id is null, reason desc, next_id) = 1

),

-- A survivor may have been merged since, and a lead's contact as well.
walked as (

    select
        steps.*,
        1 as step_count
    from steps
    where next_id is not null

    union all

    select
        walked.system,
        walked.object,
        walked.record_id,
        walked.reason,
        steps.next_object,
        steps.next_id,
        walked.step_count + 1 as step_count
    from walked
    inner join steps
        on
            walked.system = steps.system
            and walked.next_object = steps.object
            and walked.next_id = steps.record_id
    -- No chain of merges is as long; a ring would go on for ever.
    where walked.step_count < 50

),

-- The last step, which ends at a record of which nothing is told, or at nothing.
arrived as (

    select * from walked
    qualify row_number() over (partition by system, object, record_id order by step_count desc) = 1

),

landed as (

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
    select 'salesforce' as system, 'PersonAccount' as object, account_id as record_id from salesforce_accounts
    where is_person_account

),

followed as (

    select
        arrived.system,
        arrived.object,
        arrived.record_id,
        arrived.reason,
        landed.object as living_object,
        landed.record_id as living_id
    from arrived
    -- Nobody follows to a record that the user may not see.
    left join landed
        on
            arrived.system = landed.system
            and arrived.next_object = landed.object
            and arrived.next_id = landed.record_id
            and arrived.step_count < 50

),

lost as (

    select
        system,
        object,
        record_id,
        reason,
        cast(null as string) as living_object,
        cast(null as string) as living_id
    from steps
    where next_id is null

),

nobody as (

    select
        'pendo' as system,
        'visitor' as object,
        visitor_id as record_id,
        case when is_excluded then 'excluded' else 'anonymous' end as reason,
        cast(null as string) as living_object,
        cast(null as string) as living_id
    from visitors
    where is_excluded or {{ is_anonymous('visitor_id') }}

)

select * from followed
union all
select * from lost
union all
select * from nobody
