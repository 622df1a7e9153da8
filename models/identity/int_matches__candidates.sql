with

rules as (

    select * from {{ ref('match_rules') }}

),

shared as (

    select * from {{ ref('int_matches__shared') }}

),

judged as (

    select * from {{ ref('int_matches__judged') }}

),

ranked as (

    select
        rule,
        row_number() over (order by priority, rule) as rule_rank
    from rules

),

-- Whoever is judged is there with all that it shares: the others have one record each to choose from.
single as (

    select
        left_system,
        left_object,
        left_id,
        right_system,
        min(right_object) as right_object,
        min(right_id) as right_id,
        min(rule_rank) as rule_rank,
        min(evidence) as evidence
    from shared
    where
        not exists (
            select 1 from judged
            where
                judged.left_system = shared.left_system
                and judged.left_object = shared.left_object
                and judged.left_id = shared.left_id
                and judged.right_system = shared.right_system
        )
    group by left_system, left_object, left_id, right_system

)

select
    single.left_system,
    single.left_object,
    single.left_id,
    single.right_system,
    single.right_object,
    single.right_id,
    ranked.rule,
    substr(single.evidence, 5) as key_value,
    1 as left_count,
    1 as right_count,
    false as is_superseded
from single
inner join ranked on single.rule_rank = ranked.rule_rank

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
    left_count,
    right_count,
    is_superseded
from judged
where refusal is null
