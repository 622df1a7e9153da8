with

source as (

    select * from {{ source('salesforce', 'account') }}

),

renamed as (

    select
        -- ids
        Id as account_id,
        nullif(trim(Product_Account_Id__c), '') as product_account_id,
        OwnerId as owner_id,
        MasterRecordId as master_account_id,
        PersonContactId as person_contact_id,
        LastModifiedById as modified_by_user_id,

        -- text
        Name as account_name,
        nullif(trim(Website), '') as website,
        nullif(trim(PersonEmail), '') as person_email,
        Type as account_type,
        Industry as industry,

        -- numerics
        try_cast(AnnualRevenue as decimal(18, 2)) as annual_revenue,
        NumberOfEmployees as employee_count,

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
