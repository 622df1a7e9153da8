with

found as (

    select * from {{ ref('int_matches__candidates') }}
    where left_system = 'hubspot' and ruled_out is null

),

through_contacts as (

    select * from {{ ref('int_record_pairs__through_contacts') }}

),

candidates as (

    select
        left_system,
        left_object,
        left_id,
        right_system,
        right_object,
        right_id,
        rule,
        key_value
    from found

    union all

    select
        'hubspot' as left_system,
        'companies' as left_object,
        company_id as left_id,
        'salesforce' as right_system,
        'Account' as right_object,
        account_id as right_id,
        'associated_contacts' as rule,
        cast(contact_count as string) as key_value
    from through_contacts

),

{{ counted('candidates') }}

select * from counted
