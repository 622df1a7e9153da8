with

source as (

    select * from {{ source('salesforce', 'opportunity') }}

),

renamed as (

    select
        -- ids
        Id as opportunity_id,
        AccountId as account_id,
        LastModifiedById as modified_by_user_id,

        -- text
        Name as opportunity_name,

        -- booleans
        IsDeleted as is_deleted,
        IsClosed as is_closed,

        -- timestamps
        CreatedDate as created_at,
        LastModifiedDate as modified_at,
        SystemModstamp as system_modified_at

    from source

)

select * from renamed
