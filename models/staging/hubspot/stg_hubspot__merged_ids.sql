with

contacts as (

    select * from {{ ref('stg_hubspot__contacts') }}

),

companies as (

    select * from {{ ref('stg_hubspot__companies') }}

),

deals as (

    select * from {{ ref('stg_hubspot__deals') }}

),

listed as (

    select
        'contacts' as object,
        contact_id as record_id,
        {{ unnest_split('merged_contact_ids', ';') }} as merged_id
    from contacts
    where not is_archived

    union all

    select
        'companies' as object,
        company_id as record_id,
        {{ unnest_split('merged_company_ids', ';') }} as merged_id
    from companies
    where not is_archived

    union all

    select
        'deals' as object,
        deal_id as record_id,
        {{ unnest_split('merged_deal_ids', ';') }} as merged_id
    from deals
    where not is_archived

),

trimmed as (

    select
        object,
        record_id,
        trim(merged_id) as merged_id
    from listed
    where trim(merged_id) <> ''

),

latest as (

    select *
    from trimmed
    -- A record that was merged twice is listed by the first survivor until that is read again: ids rise, the last wins.
    qualify row_number() over (partition by object, merged_id order by cast(record_id as bigint) desc) = 1

)

select * from latest
