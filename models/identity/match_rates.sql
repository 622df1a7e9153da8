{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', full_refresh=false) }}

with

records as (

    select * from {{ ref('int_records') }}

),

matches as (

    select * from {{ ref('matches') }}

),

conflicts as (

    select * from {{ ref('match_conflicts') }}

),

landed as (

    select
        system as crm,
        object,
        count(*) as record_count
    from records
    -- A sale is nobody in the product.
    where system <> 'pendo' and object not in ('deals', 'Opportunity')
    group by all

),

products as (

    select
        object as product_object,
        count(*) as product_count
    from records
    where system = 'pendo'
    group by all

),

matched as (

    select
        crm,
        object,
        count(*) as matched_count
    from matches
    group by all

),

conflicting as (

    select
        crm,
        object,
        count(distinct record_id) as conflict_record_count,
        count(distinct product_id) as conflict_product_count
    from conflicts
    group by all

),

rates as (

    select
        '{{ invocation_id }}' as run_id,
        cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f") }}' as timestamp) as run_at,
        landed.crm,
        landed.object,
        products.product_object,
        cast(landed.record_count as bigint) as record_count,
        cast(coalesce(products.product_count, 0) as bigint) as product_count,
        cast(coalesce(matched.matched_count, 0) as bigint) as matched_count,
        cast(coalesce(conflicting.conflict_record_count, 0) as bigint) as conflict_record_count,
        cast(coalesce(conflicting.conflict_product_count, 0) as bigint) as conflict_product_count,
        {{ rounded_ratio('100 * coalesce(matched.matched_count, 0)', 'products.product_count', 5, 2) }} as product_percent,
        {{ rounded_ratio('100 * coalesce(matched.matched_count, 0)', 'landed.record_count', 5, 2) }} as record_percent
    from landed
    left join products
        on products.product_object = case when landed.object in ('companies', 'Account') then 'account' else 'visitor' end
    left join matched on landed.crm = matched.crm and landed.object = matched.object
    left join conflicting on landed.crm = conflicting.crm and landed.object = conflicting.object

)

select * from rates
