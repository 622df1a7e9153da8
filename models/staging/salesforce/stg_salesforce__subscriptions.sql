with

source as (

    select * from {{ source('salesforce', 'subscription__c') }}

),

renamed as (

    select
        -- ids
        Id as subscription_id,
        Account__c as account_id,
        LastModifiedById as modified_by_user_id,

        -- text
        Subscription_Key__c as subscription_key,
        Plan__c as plan_name,

        -- booleans
        IsDeleted as is_deleted,

        -- timestamps
        CreatedDate as created_at,
        LastModifiedDate as modified_at,
        SystemModstamp as system_modified_at

    from source

)

select * from renamed
