with

unmatched_visitors as (

    select * from {{ ref('unmatched_visitors') }}

),

unmatched_accounts as (

    select * from {{ ref('unmatched_accounts') }}

),

unmatched_records as (

    select * from {{ ref('unmatched_records') }}

),

records as (

    select * from {{ ref('int_records') }}

),

pairs as (

    select * from {{ ref('int_record_pairs__candidates') }}

),

-- What a rule has found, be it in conflict, is a person's to decide in match_overrides already.
paired as (

    select 'hubspot' as system, left_object as object, left_id as record_id from pairs
    union
    select 'salesforce' as system, right_object as object, right_id as record_id from pairs

),

sides as (

    select 'pendo' as system, 'visitor' as object, visitor_id as record_id, crm as other_system
    from unmatched_visitors
    where reason in ('forbidden', 'decided_otherwise', 'contradicted', 'no_key', 'no_record')

    union all

    select 'pendo' as system, 'account' as object, account_id as record_id, crm as other_system
    from unmatched_accounts
    where reason in ('forbidden', 'decided_otherwise', 'contradicted', 'no_key', 'no_record')

    union all

    select crm as system, object, record_id, 'pendo' as other_system
    from unmatched_records
    where reason in ('forbidden', 'decided_otherwise', 'contradicted', 'no_key', 'nobody_in_the_product')

    union all

    select
        records.system,
        records.object,
        records.record_id,
        case when records.system = 'hubspot' then 'salesforce' else 'hubspot' end as other_system
    from records
    left join paired
        on
            records.system = paired.system
            and records.object = paired.object
            and records.record_id = paired.record_id
    where records.system <> 'pendo' and paired.record_id is null

)

select * from sides
