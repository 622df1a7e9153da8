with

changes as (

    select * from {{ ref('match_changes') }}

),

latest as (

    select * from changes
    qualify
        row_number() over (
            partition by left_system, left_object, left_id, right_system, right_object, right_id
            order by run_at desc
        ) = 1

)

select
    left_system,
    left_object,
    left_id,
    right_system,
    right_object,
    right_id,
    run_at as lost_at,
    reason,
    living_object,
    living_id
from latest
where change = 'lost'
