-- A decision with a mistyped id would be none, and nobody would see it. Which record was meant, a person must say. One that had a match
-- before it was purged is no mistake: its decision rests.
with

overrides as (

    select * from {{ ref('match_overrides') }}

),

changes as (

    select * from {{ ref('match_changes') }}

),

named as (

    select left_system as system, left_object as object, left_id as record_id, decided_by
    from overrides

    union all

    select
        right_system as system,
        right_object as object,
        case
            when right_system = 'salesforce' then coalesce({{ normalized('right_id', 'salesforce_id') }}, right_id)
            else right_id
        end as record_id,
        decided_by
    from overrides

),

known as (

    select system, object, record_id from {{ ref('int_records') }}
    union
    select system, object, record_id from {{ ref('int_records__gone') }}
    union
    select left_system as system, left_object as object, left_id as record_id from changes
    union
    select right_system as system, right_object as object, right_id as record_id from changes

)

select named.*
from named
left join known
    on
        named.system = known.system
        and named.object = known.object
        and named.record_id = known.record_id
where known.record_id is null
