with

source as (

    select * from {{ source('salesforce', 'merged_records') }}

),

renamed as (

    select
        -- ids
        id as record_id,
        master_id as master_record_id,

        -- text
        object,

        -- timestamps
        merged_at

    from source

)

select * from renamed
