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
        LastModifiedById as modified_by_user_id,

        -- text
        Name as account_name,
        nullif(trim(Website), '') as website,

        -- booleans
        IsDeleted as is_deleted,

        -- timestamps
        CreatedDate as created_at,
        LastModifiedDate as modified_at,
        SystemModstamp as system_modified_at

    from source

)

select * from renamed
