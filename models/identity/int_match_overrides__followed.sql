with

overrides as (

    select * from {{ ref('match_overrides') }}

),

gone as (

    select * from {{ ref('int_records__gone') }}

),

records as (

    select * from {{ ref('int_records') }}

),

spelt as (

    select
        left_system,
        left_object,
        left_id,
        right_system,
        right_object,
        case
            when right_system = 'salesforce' then coalesce({{ normalized('right_id', 'salesforce_id') }}, right_id)
            else right_id
        end as right_id,
        decision,
        decided_by
    from overrides

),

followed as (

    select
        spelt.left_system,
        coalesce(left_gone.living_object, spelt.left_object) as left_object,
        case when left_gone.record_id is null then spelt.left_id else left_gone.living_id end as left_id,
        spelt.right_system,
        coalesce(right_gone.living_object, spelt.right_object) as right_object,
        case when right_gone.record_id is null then spelt.right_id else right_gone.living_id end as right_id,
        spelt.decision,
        spelt.decided_by
    from spelt
    left join gone as left_gone
        on
            spelt.left_system = left_gone.system
            and spelt.left_object = left_gone.object
            and spelt.left_id = left_gone.record_id
    left join gone as right_gone
        on
            spelt.right_system = right_gone.system
            and spelt.right_object = right_gone.object
            and spelt.right_id = right_gone.record_id

),

-- A decision does not bring a deleted record back: it rests until the record is restored.
living as (

    select
        followed.left_system,
        followed.left_object,
        followed.left_id,
        followed.right_system,
        followed.right_object,
        followed.right_id,
        -- Where two merged records were decided about differently, or twice, forbid is the safer one.
        min(followed.decision) as decision,
        min(followed.decided_by) as decided_by
    from followed
    inner join records as left_records
        on
            followed.left_system = left_records.system
            and followed.left_object = left_records.object
            and followed.left_id = left_records.record_id
    inner join records as right_records
        on
            followed.right_system = right_records.system
            and followed.right_object = right_records.object
            and followed.right_id = right_records.record_id
    group by all

)

select * from living
