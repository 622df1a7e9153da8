with

definitions as (

    select * from {{ ref('stg_hubspot__event_definitions') }}
    where not is_archived

),

properties as (

    select * from {{ ref('stg_hubspot__event_properties') }}
    where not is_archived

)

select
    'hubspot' as crm,
    definitions.event,
    properties.property,
    properties.type,
    case
        when properties.type in ('string', 'number', 'datetime') then properties.type
        when properties.type = 'enumeration' then 'boolean'
    end as family
from definitions
-- As many rows as the event has properties, and one where it has none.
left join properties on definitions.full_name = properties.full_name
