with

rules as (

    select * from {{ ref('match_rules') }}

),

keys as (

    select * from {{ ref('int_keys') }}

),

shared as (

    select * from {{ ref('int_matches__shared') }}

),

overrides as (

    select * from {{ ref('int_match_overrides__followed') }}

),

-- Rules of one priority count alike; the alphabet only says which of them is named.
fields as (

    select
        priority,
        left_system,
        right_system,
        concat_ws(' ', left_system, left_object, left_field, normalisation) as left_field_key,
        concat_ws(' ', right_system, right_object, right_field, normalisation) as right_field_key
    from rules

),

-- Of a million sides few have a choice. Numbers find them, of no more than tells most sides apart: two sides of one number would both be
-- looked at, which changes nothing.
numbered as (

    select
        *,
        {{ hash64(['left_id', 'right_system']) }} as left_side,
        {{ hash64(['left_system', 'right_id']) }} as right_side
    from shared

),

contested_left as (

    select left_side from numbered
    group by left_side
    having count(*) > 1 or bool_or(has_better)

    union

    select {{ hash64(['left_id', 'right_system']) }} as left_side
    from overrides

),

contested_right as (

    select right_side from numbered
    group by right_side
    having count(*) > 1

    union

    select {{ hash64(['left_system', 'right_id']) }} as right_side
    from overrides

),

contested as (

    select * from numbered
    where
        left_side in (select left_side from contested_left)
        or right_side in (select right_side from contested_right)

),

-- One row per pair, with the best rule, and of its values the first, as the evidence.
found as (

    select
        contested.*,
        rules.priority
    from contested
    inner join rules on contested.rule = rules.rule
    qualify
        row_number() over (
            partition by
                contested.left_system,
                contested.left_object,
                contested.left_id,
                contested.right_system,
                contested.right_object,
                contested.right_id
            order by contested.rule_rank, contested.key_value
        ) = 1

),

doubtful as (

    select * from found
    where has_better

),

-- Few are in doubt, and only of these all keys are looked at.
doubtful_keys as (

    select keys.* from keys
    where
        keys.record_id in (
            select doubtful.left_id from doubtful
            union
            select doubtful.right_id from doubtful
        )

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
    inner join doubtful_keys as left_keys
        on
            fields.left_field_key = left_keys.field_key
            and doubtful.left_object = left_keys.object
            and doubtful.left_id = left_keys.record_id
    inner join doubtful_keys as right_keys
        on
            fields.right_field_key = right_keys.field_key
            and doubtful.right_object = right_keys.object
            and doubtful.right_id = right_keys.record_id

),

forced as (

    select * from overrides
    where decision = 'match'

),

forced_left as (

    select distinct left_system, left_object, left_id, right_system
    from forced

),

forced_right as (

    select distinct left_system, right_system, right_object, right_id
    from forced

),

-- What a person has decided about a pair is not for a key to decide; and a person's match ends the matter for both of its sides.
judged as (

    select
        found.*,
        case
            when forced_left.left_id is not null or forced_right.right_id is not null then 'decided_otherwise'
            when contradicted.left_id is not null then 'contradicted'
        end as ruled_out
    from found
    left join contradicted
        on
            found.left_system = contradicted.left_system
            and found.left_object = contradicted.left_object
            and found.left_id = contradicted.left_id
            and found.right_system = contradicted.right_system
            and found.right_object = contradicted.right_object
            and found.right_id = contradicted.right_id
    left join forced_left
        on
            found.left_system = forced_left.left_system
            and found.left_object = forced_left.left_object
            and found.left_id = forced_left.left_id
            and found.right_system = forced_left.right_system
    left join forced_right
        on
            found.left_system = forced_right.left_system
            and found.right_system = forced_right.right_system
            and found.right_object = forced_right.right_object
            and found.right_id = forced_right.right_id
    where
        not exists (
            select 1 from overrides
            where
                overrides.left_system = found.left_system
                and overrides.left_object = found.left_object
                and overrides.left_id = found.left_id
                and overrides.right_system = found.right_system
                and overrides.right_object = found.right_object
                and overrides.right_id = found.right_id
        )

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
    where ruled_out is null

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

{{ counted('candidates') }}

select
    left_system,
    left_object,
    left_id,
    right_system,
    right_object,
    right_id,
    rule,
    key_value,
    1 as left_count,
    1 as right_count,
    false as is_superseded,
    cast(null as string) as ruled_out
from numbered
-- The only row of its left side, and of its right side.
where
    left_side not in (select left_side from contested_left)
    and right_side not in (select right_side from contested_right)

union all

select
    *,
    cast(null as string) as ruled_out
from counted

union all

-- No candidates, and told so that nobody takes them for records without a key.
select
    left_system,
    left_object,
    left_id,
    right_system,
    right_object,
    right_id,
    rule,
    key_value,
    0 as left_count,
    0 as right_count,
    false as is_superseded,
    ruled_out
from judged
where ruled_out is not null
