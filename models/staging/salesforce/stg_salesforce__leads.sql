with

source as (

    select * from {{ source('salesforce', 'lead') }}

),

renamed as (

    select
        -- ids
        Id as lead_id,
        OwnerId as owner_id,
        MasterRecordId as master_lead_id,
        ConvertedContactId as converted_contact_id,
        ConvertedAccountId as converted_account_id,
        ConvertedOpportunityId as converted_opportunity_id,
        LastModifiedById as modified_by_user_id,

        -- text
        nullif(trim(Email), '') as email,
        FirstName as first_name,
        LastName as last_name,
        Company as company_name,
        Title as job_title,
        Status as lead_status,

        -- booleans
        IsDeleted as is_deleted,
        IsConverted as is_converted,

        -- timestamps
        CreatedDate as created_at,
        LastModifiedDate as modified_at,
        SystemModstamp as system_modified_at

    from source

)

select * from renamed
