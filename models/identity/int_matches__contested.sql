with

rules as (

    select * from {{ ref('match_rules') }}

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
        cast(row_number() over (order by priority, rule) as integer) as rule_rank,
        priority > min(priority) over (partition by left_system, right_system) as has_better
    from rules

),

-- Who has several records to choose from, or only one that a weaker rule found.
left_sides as (

    select
        left_system,
        left_object,
        left_id,
        right_system,
        min(rule_rank) as rule_rank,
        min(right_object) <> max(right_object) or min(right_id) <> max(right_id) as is_several
    from shared
    group by all

),

right_sides as (

    select
        left_system,
        right_system,
        right_object,
        right_id
    from shared
    group by all
    having min(left_object) <> max(left_object) or min(left_id) <> max(left_id)

),

contested_left as (

    select
        left_sides.left_system,
        left_sides.left_object,
        left_sides.left_id,
        left_sides.right_system
    from left_sides
    inner join ranked on left_sides.rule_rank = ranked.rule_rank
    where left_sides.is_several or ranked.has_better

    union

    select
        left_system,
        left_object,
        left_id,
        right_system
    from overrides

),

contested_right as (

    select
        left_system,
        right_system,
        right_object,
        right_id
    from right_sides

    union

    select
        left_system,
        right_system,
        right_object,
        right_id
    from overrides

),

-- All rows of either side, so that what is left over is the only row of both of its sides.
contested as (

    select shared.*
    from shared
    where
        exists (
            select 1 from contested_left
            where
                contested_left.left_system = shared.left_system
                and contested_left.left_object = shared.left_object
                and contested_left.left_id = shared.left_id
                and contested_left.right_system = shared.right_system
        )
        or exists (
            select 1 from contested_right
            where
                contested_right.left_system = shared.left_system
                and contested_right.right_system = shared.right_system
                and contested_right.right_object = shared.right_object
                and contested_right.right_id = shared.right_id
        )

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
    from contested
    group by all

)

-- With the best rule as the evidence.
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
inner join ranked on cast(left(pairs.evidence, 4) as integer) = ranked.rule_rank
