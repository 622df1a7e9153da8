with

source as (

    select * from {{ source('salesforce', 'fields') }}

),

renamed as (

    select
        -- text
        object,
        name as property,
        label,
        type,
        picklist_values,

        -- numerics
        length as max_length,
        source.precision as numeric_precision,
        scale as numeric_scale,
        digits as integer_digits,

        -- booleans
        createable as is_createable,
        updateable as is_updateable,
        nillable as is_nillable,
        calculated as is_calculated,
        restricted_picklist as is_restricted_picklist,
        external_id as is_external_id,
        id_lookup as is_id_lookup,
        source.unique as is_unique

    from source

)

select * from renamed
