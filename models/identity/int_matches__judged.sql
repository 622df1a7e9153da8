with

rules as (

    select * from {{ ref('match_rules') }}

),

keys as (

    select * from {{ ref('int_keys') }}

),

contested as (

    select * from {{ ref('int_matches__contested') }}

),

overrides as (

    select * from {{ ref('int_match_overrides__followed') }}

),

fields as (

    select
        priority,
        left_system,
        right_system,
        concat_ws(' ', left_system, left_object, left_field, normalisation) as left_field_key,
        concat_ws(' ', right_system, right_object, right_field, normalisation) as right_field_key
    from rules

),

doubtful as (

    select * from contested
    where has_better

),

-- Few are in doubt, and only of these all keys are looked at.
doubtful_left_keys as (

    select keys.* from keys
    where keys.record_id in (select doubtful.left_id from doubtful)

),

doubtful_right_keys as (

    select keys.* from keys
    where keys.record_id in (select doubtful.right_id from doubtful)

),

-- Who has other values under a better rule is somebody else, whatever a weaker rule says.
contradicted as (

    select distinct
        doubtful.left_system,
        doubtful.left_object,
        doubtful.left_id,
        doubtful.right_system,
        doubtful.right_object,
        doubtful.right_id
    from doubtful
    inner join fields
        on
            doubtful.left_system = fields.left_system
            and doubtful.right_system = fields.right_system
            and doubtful.priority > fields.priority
    inner join doubtful_left_keys as left_keys
        on
            fields.left_field_key = left_keys.field_key
            and doubtful.left_object = left_keys.object
            and doubtful.left_id = left_keys.record_id
    inner join doubtful_right_keys as right_keys
        on
            fields.right_field_key = right_keys.field_key
            and doubtful.right_object = right_keys.object
            and doubtful.right_id = right_keys.record_id

),

forced as (

    select * from overrides
    where decision = 'match'

),

judged as (

    select
        contested.left_system,
        contested.left_object,
        contested.left_id,
        contested.right_system,
        contested.right_object,
        contested.right_id,
        contested.rule,
        contested.key_value,
        case
            -- What a person has decided about a pair is not for a key to decide.
            when overrides.decision is not null then 'forbidden'
            -- A person's match ends the matter for both of its sides.
            when exists (
                select 1 from forced
                where
                    forced.left_system = contested.left_system
                    and forced.left_object = contested.left_object
                    and forced.left_id = contested.left_id
                    and forced.right_system = contested.right_system
            ) then 'decided'
            when exists (
                select 1 from forced
                where
                    forced.left_system = contested.left_system
                    and forced.right_system = contested.right_system
                    and forced.right_object = contested.right_object
                    and forced.right_id = contested.right_id
            ) then 'decided'
            when contradicted.left_id is not null then 'contradicted'
        end as refusal
    from contested
    -- At most one row of either: a pair is decided about once, and contradicted once.
    left join overrides
        on
            contested.left_system = overrides.left_system
            and contested.left_object = overrides.left_object
            and contested.left_id = overrides.left_id
            and contested.right_system = overrides.right_system
            and contested.right_object = overrides.right_object
            and contested.right_id = overrides.right_id
    left join contradicted
        on
            contested.left_system = contradicted.left_system
            and contested.left_object = contradicted.left_object
            and contested.left_id = contradicted.left_id
            and contested.right_system = contradicted.right_system
            and contested.right_object = contradicted.right_object
            and contested.right_id = contradicted.right_id
    where overrides.decision is distinct from 'match'

),

candidates as (

    select
        left_system,
        left_object,
        left_id,
        right_system,
        right_object,
        right_id,
        rule,
        key_value
    from judged
    where refusal is null

    union all

    select
        left_system,
        left_object,
        left_id,
        right_system,
        right_object,
        right_id,
        'override' as rule,
        decided_by as key_value
    from forced

),

{{ counted('candidates') }},

refused as (

    select * from judged
    where refusal is not null

)

select
    left_system,
    left_object,
    left_id,
    right_system,
    right_object,
    right_id,
    rule,
    key_value,
    cast(null as varchar) as refusal,
    left_count,
    right_count,
    is_superseded
from counted

union all

select
    left_system,
    left_object,
    left_id,
    right_system,
    right_object,
    right_id,
    rule,
    key_value,
    refusal,
    null as left_count,
    null as right_count,
    null as is_superseded
from refused
