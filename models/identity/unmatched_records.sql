with

records as (

    select * from {{ ref('int_records') }}
    -- A sale is nobody in the product.
    where system <> 'pendo' and object not in ('deals', 'Opportunity')

),

candidates as (

    select * from {{ ref('int_matches__candidates') }}
    where left_system = 'pendo' and ruled_out is null

),

-- Of one record's the first in the order of reasons, which is the last of the alphabet.
ruled_out as (

    select
        right_system as system,
        right_object as object,
        right_id as record_id,
        max(ruled_out) as reason
    from {{ ref('int_matches__candidates') }}
    where left_system = 'pendo' and ruled_out is not null
    group by all

),

matches as (

    select * from {{ ref('matches') }}

),

keys as (

    select distinct
        system,
        object,
        record_id
    from {{ ref('int_keys') }}

),

overrides as (

    select * from {{ ref('int_match_overrides__followed') }}

),

known as (

    select
        right_system as system,
        right_object as object,
        right_id as record_id,
        bool_or((left_count > 1 or right_count > 1) and not is_superseded) as is_conflict
    from candidates
    group by all

),

forbidden as (

    select distinct
        right_system as system,
        right_object as object,
        right_id as record_id
    from overrides
    where left_system = 'pendo' and decision = 'forbid'

)

select
    records.system as crm,
    records.object,
    records.record_id,
    case
        when known.is_conflict then 'conflict'
        -- The person is a contact, too, and that comes first.
        when known.record_id is not null then 'lead_of_a_contact'
        when forbidden.record_id is not null then 'forbidden'
        when ruled_out.reason is not null then ruled_out.reason
        when keys.record_id is null then 'no_key'
        else 'nobody_in_the_product'
    end as reason
from records
left join matches
    on
        records.system = matches.crm
        and records.object = matches.object
        and records.record_id = matches.record_id
left join known
    on
        records.system = known.system
        and records.object = known.object
        and records.record_id = known.record_id
left join forbidden
    on
        records.system = forbidden.system
        and records.object = forbidden.object
        and records.record_id = forbidden.record_id
left join ruled_out
    on
        records.system = ruled_out.system
        and records.object = ruled_out.object
        and records.record_id = ruled_out.record_id
left join keys
    on
        records.system = keys.system
        and records.object = keys.object
        and records.record_id = keys.record_id
where matches.record_id is null
