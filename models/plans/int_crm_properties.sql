with

hubspot_properties as (

    select * from {{ ref('stg_hubspot__properties') }}
    where not is_archived

),

salesforce_fields as (

    select * from {{ ref('stg_salesforce__fields') }}

),

pendo_fields as (

    select * from {{ ref('stg_pendo__metadata_fields') }}
    where not is_deleted

),

properties as (

    select
        'hubspot' as crm,
        object,
        property,
        type,
        case
            when type in ('string', 'enumeration', 'phone_number') then 'string'
            when type = 'bool' then 'boolean'
            when type in ('number', 'date', 'datetime') then type
        end as family,
        case when type = 'string' then 65536 end as max_length,
        cast(null as integer) as integer_digits,
        cast(null as integer) as fraction_digits,
        group_name,
        is_calculated or is_read_only as is_read_only,
        nullif(options, '[]') as listed_options,
        -- Several values may stand in a checkbox list; only a single choice is one of its options.
        type = 'enumeration' and field_type <> 'checkbox' as is_single_choice
    from hubspot_properties

    union all

    select
        'salesforce' as crm,
        object,
        property,
        type,
        case
            when type in ('double', 'int', 'long', 'currency', 'percent') then 'number'
            when type in ('boolean', 'date', 'datetime') then type
            when
                type in (
                    'string',
                    'textarea',
                    'picklist',
                    'multipicklist',
                    'phone',
                    'email',
                    'url',
                    'combobox',
                    'reference'
                ) then 'string'
        end as family,
        cast(nullif(max_length, 0) as integer) as max_length,
        case
            when type in ('double', 'currency', 'percent') then cast(numeric_precision - numeric_scale as integer)
            when type in ('int', 'long') then cast(integer_digits as integer)
        end as integer_digits,
        case
            when type in ('double', 'currency', 'percent') then cast(numeric_scale as integer)
            when type in ('int', 'long') then 0
        end as fraction_digits,
        cast(null as string) as group_name,
        not is_updateable as is_read_only,
        nullif(picklist_values, '[]') as listed_options,
        -- An open picklist would take an unknown value too, and quietly add it to the list.
        type = 'picklist' as is_single_choice
    from salesforce_fields

    union all

    select
        'pendo' as crm,
        object,
        -- A field of another group is named with its group, as none of them is ours to write.
        case when group_name = 'custom' then field else group_name || '.' || field end as property,
        type,
        case
            when type in ('string', 'number', 'boolean') then type
            when type = 'time' then 'datetime'
        end as family,
        cast(null as integer) as max_length,
        cast(null as integer) as integer_digits,
        cast(null as integer) as fraction_digits,
        cast(null as string) as group_name,
        group_name <> 'custom' or is_calculated or is_per_app as is_read_only,
        cast(null as string) as listed_options,
        false as is_single_choice
    from pendo_fields

)

select
    crm,
    object,
    property,
    type,
    family,
    max_length,
    integer_digits,
    fraction_digits,
    group_name,
    is_read_only,
    case when is_single_choice then listed_options end as options,
    -- Changes when anything does that decides whether a value is taken. The CRM checks the options of a list of several
    -- choices, too.
    md5(
        concat_ws(
            '|',
            type,
            coalesce(cast(max_length as string), ''),
            coalesce(cast(integer_digits as string), ''),
            coalesce(cast(fraction_digits as string), ''),
            cast(is_read_only as string),
            coalesce(listed_options, '')
        )
    ) as fingerprint
from properties
