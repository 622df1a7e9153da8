with

product_keys as (

    select * from {{ ref('int_product_keys') }}

),

crm_keys as (

    select * from {{ ref('int_crm_keys') }}

),

records as (

    select * from {{ ref('int_crm_records') }}

),

overrides as (

    select * from {{ ref('match_overrides') }}

),

-- One row per pair that shares any key, with one key as the evidence.
found as (

    select
        crm_keys.crm,
        crm_keys.object,
        product_keys.product_object,
        product_keys.product_id,
        crm_keys.record_id,
        -- An id is better evidence than an address, and the alphabet happens to say the reverse.
        max(product_keys.key_kind) as key_kind,
        max_by(product_keys.key_value, (product_keys.key_kind, product_keys.key_value)) as key_value
    from product_keys
    inner join crm_keys
        on
            product_keys.product_object = crm_keys.product_object
            and product_keys.key_kind = crm_keys.key_kind
            and product_keys.key_value = crm_keys.key_value
    group by all

),

forced as (

    select
        overrides.crm,
        overrides.object,
        overrides.product_object,
        overrides.product_id,
        overrides.record_id,
        'override' as key_kind,
        overrides.decided_by as key_value
    from overrides
    -- A decision does not bring a deleted record back: it rests until the record is restored.
    inner join records
        on
            overrides.crm = records.crm
            and overrides.object = records.object
            and overrides.record_id = records.record_id
    where overrides.decision = 'match'

),

allowed as (

    select found.*
    from found
    left join overrides
        on
            found.crm = overrides.crm
            and found.object = overrides.object
            and found.record_id = overrides.record_id
            and found.product_id = overrides.product_id
    -- What a person has decided about a pair is not for a key to decide.
    where overrides.decision is null

),

-- A person's match ends the matter for both of its sides.
undecided as (

    select * from allowed
    where
        not exists (
            select 1
            from forced
            where
                forced.crm = allowed.crm
                and forced.object = allowed.object
                and (forced.record_id = allowed.record_id or forced.product_id = allowed.product_id)
        )

),

candidates as (

    select * from forced
    union all
    select * from undecided

)

select
    *,
    count(*) over (partition by crm, object, product_object, product_id) as record_count,
    count(*) over (partition by crm, object, product_object, record_id) as product_count
from candidates
