{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        full_refresh=false,
    )
}}

with

matches as (

    select * from {{ ref('matches') }}

),

record_pairs as (

    select * from {{ ref('record_pairs') }}

),

gone as (

    select * from {{ ref('int_records__gone') }}

),

candidates as (

    select * from {{ ref('int_matches__candidates') }}
    where left_system = 'pendo' and ruled_out is null

    union all

    select
        *,
        cast(null as string) as ruled_out
    from {{ ref('int_record_pairs__candidates') }}

),

ruled_out as (

    select * from {{ ref('int_matches__candidates') }}
    where ruled_out is not null

),

overrides as (

    select * from {{ ref('int_match_overrides__followed') }}

),

-- Read off this very table, in which the last word on a pair is what was so until now.
told as (

    {{
        prior_rows({
            'left_system': 'string', 'left_object': 'string', 'left_id': 'string',
            'right_system': 'string', 'right_object': 'string', 'right_id': 'string',
            'change': 'string', 'run_at': 'timestamp',
        })
    }}

),

now_paired as (

    select
        'pendo' as left_system,
        product_object as left_object,
        product_id as left_id,
        crm as right_system,
        object as right_object,
        record_id as right_id
    from matches

    union all

    select
        'hubspot' as left_system,
        hubspot_object as left_object,
        hubspot_id as left_id,
        'salesforce' as right_system,
        salesforce_object as right_object,
        salesforce_id as right_id
    from record_pairs

),

paired_before as (

    select * from told
    qualify
        row_number() over (
            partition by left_system, left_object, left_id, right_system, right_object, right_id
            order by run_at desc
        ) = 1

),

compared as (

    select
        coalesce(now_paired.left_system, paired_before.left_system) as left_system,
        coalesce(now_paired.left_object, paired_before.left_object) as left_object,
        coalesce(now_paired.left_id, paired_before.left_id) as left_id,
        coalesce(now_paired.right_system, paired_before.right_system) as right_system,
        coalesce(now_paired.right_object, paired_before.right_object) as right_object,
        coalesce(now_paired.right_id, paired_before.right_id) as right_id,
        case when now_paired.left_id is null then 'lost' else 'found' end as change
    from now_paired
    full outer join (select * from paired_before where change = 'found') as paired_before
        on
            now_paired.left_system = paired_before.left_system
            and now_paired.left_object = paired_before.left_object
            and now_paired.left_id = paired_before.left_id
            and now_paired.right_system = paired_before.right_system
            and now_paired.right_object = paired_before.right_object
            and now_paired.right_id = paired_before.right_id
    where now_paired.left_id is null or paired_before.left_id is null

)

select
    '{{ invocation_id }}' as run_id,
    cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f") }}' as timestamp) as run_at,
    compared.change,
    compared.left_system,
    compared.left_object,
    compared.left_id,
    compared.right_system,
    compared.right_object,
    compared.right_id,
    case
        when compared.change = 'found' then null
        when right_gone.reason is not null then right_gone.reason
        when left_gone.reason is not null then left_gone.reason
        when overrides.decision = 'forbid' then 'forbidden'
        when candidates.is_superseded then 'contact_preferred'
        when candidates.left_id is not null then 'conflict'
        when ruled_out.left_id is not null then ruled_out.ruled_out
        else 'no_shared_key'
    end as reason,
    case when compared.change = 'lost' then right_gone.living_object end as living_object,
    case when compared.change = 'lost' then right_gone.living_id end as living_id
from compared
left join gone as left_gone
    on
        compared.left_system = left_gone.system
        and compared.left_object = left_gone.object
        and compared.left_id = left_gone.record_id
left join gone as right_gone
    on
        compared.right_system = right_gone.system
        and compared.right_object = right_gone.object
        and compared.right_id = right_gone.record_id
-- At most one row of either: a pair is a candidate once, and decided about once.
left join overrides
    on
        compared.left_system = overrides.left_system
        and compared.left_object = overrides.left_object
        and compared.left_id = overrides.left_id
        and compared.right_system = overrides.right_system
        and compared.right_object = overrides.right_object
        and compared.right_id = overrides.right_id
left join candidates
    on
        compared.left_system = candidates.left_system
        and compared.left_object = candidates.left_object
        and compared.left_id = candidates.left_id
        and compared.right_system = candidates.right_system
        and compared.right_object = candidates.right_object
        and compared.right_id = candidates.right_id
-- Nor is it ruled out more than once.
left join ruled_out
    on
        compared.left_system = ruled_out.left_system
        and compared.left_object = ruled_out.left_object
        and compared.left_id = ruled_out.left_id
        and compared.right_system = ruled_out.right_system
        and compared.right_object = ruled_out.right_object
        and compared.right_id = ruled_out.right_id
