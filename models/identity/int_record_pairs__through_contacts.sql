with

candidates as (

    select * from {{ ref('int_matches__candidates') }}
    where left_system = 'hubspot' and ruled_out is null

),

keys as (

    select * from {{ ref('int_keys') }}

),

rules as (

    select * from {{ ref('match_rules') }}
    where left_system = 'hubspot' and left_object = 'companies'

),

overrides as (

    select * from {{ ref('int_match_overrides__followed') }}

),

associations as (

    select * from {{ ref('stg_hubspot__associations') }}
    where from_object = 'contacts' and to_object = 'companies'

),

gone as (

    select * from {{ ref('int_records__gone') }}

),

records as (

    select * from {{ ref('int_records') }}

),

salesforce_contacts as (

    select * from {{ ref('stg_salesforce__contacts') }}

),

-- Somebody of two companies says nothing about either of them.
employers as (

    select
        from_id as contact_id,
        min(to_id) as company_id
    from associations
    group by from_id
    having min(to_id) = max(to_id)

),

-- Merged companies and accounts lead to those that live.
employments as (

    select
        candidates.left_id as contact_id,
        case when company_gone.record_id is null then employers.company_id else company_gone.living_id end as company_id,
        case when account_gone.record_id is null then salesforce_contacts.account_id else account_gone.living_id end
            as account_id,
        candidates.left_count = 1 and candidates.right_count = 1 as is_pair
    from candidates
    inner join employers on candidates.left_id = employers.contact_id
    inner join salesforce_contacts on candidates.right_id = salesforce_contacts.contact_id
    left join gone as company_gone
        on
            employers.company_id = company_gone.record_id
            and company_gone.system = 'hubspot'
            and company_gone.object = 'companies'
    left join gone as account_gone
        on
            salesforce_contacts.account_id = account_gone.record_id
            and account_gone.system = 'salesforce'
            and account_gone.object = 'Account'
    where candidates.right_object = 'Contact'

),

employing as (

    select
        company_id,
        account_id,
        count(distinct contact_id) filter (where is_pair) as contact_count
    from employments
    where company_id is not null and account_id is not null
    group by all

),

-- All who may be known on both sides must agree, those in a conflict too, and the pairs be more than a slip of the pen.
agreed as (

    select
        company_id,
        account_id,
        contact_count
    from employing
    qualify
        count(*) over (partition by company_id) = 1
        and count(*) over (partition by account_id) = 1
        and contact_count >= {{ var('company_pair_contacts') }}

),

-- Who has other values under a rule of keys is another company, whoever works there.
contradicted as (

    select distinct
        agreed.company_id,
        agreed.account_id
    from agreed
    inner join keys as company_keys
        on
            agreed.company_id = company_keys.record_id
            and company_keys.system = 'hubspot'
            and company_keys.object = 'companies'
    inner join rules
        on
            company_keys.landed_object = rules.left_object
            and company_keys.field = rules.left_field
            and company_keys.normalisation = rules.normalisation
    inner join keys as account_keys
        on
            agreed.account_id = account_keys.record_id
            and account_keys.system = rules.right_system
            and account_keys.object = 'Account'
            and account_keys.landed_object = rules.right_object
            and account_keys.field = rules.right_field
            and account_keys.normalisation = rules.normalisation

)

select
    agreed.company_id,
    agreed.account_id,
    agreed.contact_count
from agreed
inner join records as companies
    on
        agreed.company_id = companies.record_id
        and companies.system = 'hubspot'
        and companies.object = 'companies'
inner join records as accounts
    on
        agreed.account_id = accounts.record_id
        and accounts.system = 'salesforce'
        and accounts.object = 'Account'
where
    not exists (
        select 1 from contradicted
        where contradicted.company_id = agreed.company_id and contradicted.account_id = agreed.account_id
    )
    -- What a person has decided about either side is decided.
    and not exists (
        select 1 from overrides
        where
            overrides.left_object = 'companies'
            and overrides.left_id = agreed.company_id
            and overrides.right_system = 'salesforce'
            and (overrides.decision = 'match' or overrides.right_id = agreed.account_id)
    )
    and not exists (
        select 1 from overrides
        where
            overrides.left_system = 'hubspot'
            and overrides.right_object = 'Account'
            and overrides.right_id = agreed.account_id
            and overrides.decision = 'match'
    )
