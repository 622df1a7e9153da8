with

source as (

    select * from {{ source('hubspot', 'companies') }}

),

renamed as (

    select
        -- ids
        id as company_id,
        nullif(trim(product_account_id), '') as product_account_id,
        nullif(trim(hubspot_owner_id), '') as owner_id,

        -- text
        name as company_name,
        nullif(trim(domain), '') as domain,
        industry,
        lifecyclestage as lifecycle_stage,
        hs_merged_object_ids as merged_company_ids,

        -- numerics
        try_cast(annualrevenue as decimal(18, 2)) as annual_revenue,
        try_cast(try_cast(numberofemployees as double) as bigint) as employee_count,

        -- booleans
        archived as is_archived,

        -- timestamps
        created_at,
        updated_at,
        archived_at

    from source

)

select * from renamed
