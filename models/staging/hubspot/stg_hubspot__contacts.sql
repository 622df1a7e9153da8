with

source as (

    select * from {{ source('hubspot', 'contacts') }}

),

renamed as (

    select
        -- ids
        id as contact_id,
        nullif(trim(hubspot_owner_id), '') as owner_id,

        -- text
        nullif(trim(email), '') as email,
        nullif(trim(hs_additional_emails), '') as additional_emails,
        firstname as first_name,
        lastname as last_name,
        jobtitle as job_title,
        lifecyclestage as lifecycle_stage,
        hs_merged_object_ids as merged_contact_ids,

        -- booleans
        archived as is_archived,

        -- timestamps
        created_at,
        updated_at,
        archived_at

    from source

)

select * from renamed
