with

source as (

    select * from {{ source('salesforce', 'contact') }}

),

renamed as (

    select
        -- ids
        Id as contact_id,
        AccountId as account_id,
        OwnerId as owner_id,
        MasterRecordId as master_contact_id,
        LastModifiedById as modified_by_user_id,

        -- text
        nullif(trim(Email), '') as email,
        FirstName as first_name,
        LastName as last_name,
        Title as job_title,

        -- booleans
        IsDeleted as is_deleted,
        IsPersonAccount as is_person_account,

        -- timestamps
        CreatedDate as created_at,
        LastModifiedDate as modified_at,
        SystemModstamp as system_modified_at

    from source

)

select * from renamed
