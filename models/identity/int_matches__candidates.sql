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
ranked as (

    select
        rule,
        priority,
        left_system,
        right_system,
        concat_ws(' ', left_system, left_object, left_field, normalisation) as left_field_key,
        concat_ws(' ', right_system, right_object, right_field, normalisation) as right_field_key,
        row_number() over (order by priority, rule) as rank,
        priority > min(priority) over (partition by left_system, right_system) as has_better
    from rules

),

pairs as (

    select
        left_system,
        left_object,
        left_id,
        right_system,
        right_object,
        right_id,
        min(evidence) as evidence
    from shared
    group by all

),

-- One row per pair that shares any value, with the best rule as the evidence.
found as (

    select
        pairs.left_system,
        pairs.left_object,
        pairs.left_id,
        pairs.right_system,
        pairs.right_object,
        pairs.right_id,
        ranked.rule,
        ranked.priority,
        ranked.has_better,
        substr(pairs.evidence, 5) as key_value
    from pairs
    inner join ranked on cast(left(pairs.evidence, 4) as integer) = ranked.rank

),

doubtful as (

    select * from found
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
    inner join ranked
        on
            doubtful.left_system = ranked.left_system
            and doubtful.right_system = ranked.right_system
            and doubtful.priority > ranked.priority
    inner join doubtful_left_keys as left_keys
        on
            ranked.left_field_key = left_keys.field_key
            and doubtful.left_object = left_keys.object
            and doubtful.left_id = left_keys.record_id
    inner join doubtful_right_keys as right_keys
        on
            ranked.right_field_key = right_keys.field_key
            and doubtful.right_object = right_keys.object
            and doubtful.right_id = right_keys.record_id

),

forced as (

    select * from overrides
    where decision = 'match'

),

standing as (

    select * from found
    where not has_better

    union all

    select doubtful.*
    from doubtful
    left join contradicted
        on
            doubtful.left_system = contradicted.left_system
            and doubtful.left_object = contradicted.left_object
            and doubtful.left_id = contradicted.left_id
            and doubtful.right_system = contradicted.right_system
            and doubtful.right_object = contradicted.right_object
            and doubtful.right_id = contradicted.right_id
    where contradicted.left_id is null

),

-- What a person has decided about a pair is not for a key to decide.
undecided as (

    select standing.*
    from standing
    where
        not exists (
            select 1 from overrides
            where
                overrides.left_system = standing.left_system
                and overrides.left_object = standing.left_object
                and overrides.left_id = standing.left_id
                and overrides.right_system = standing.right_system
                and overrides.right_object = standing.right_object
                and overrides.right_id = standing.right_id
        )
        -- A person's match ends the matter for both of its sides.
        and not exists (
            select 1 from forced
            where
                forced.left_system = standing.left_system
                and forced.left_object = standing.left_object
                and forced.left_id = standing.left_id
                and forced.right_system = standing.right_system
        )
        and not exists (
            select 1 from forced
            where
                forced.left_system = standing.left_system
                and forced.right_system = standing.right_system
                and forced.right_object = standing.right_object
                and forced.right_id = standing.right_id
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
    from undecided

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

select * from counted
