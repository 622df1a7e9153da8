{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', full_refresh=false) }}

with

records as (

    select * from {{ ref('int_records') }}

),

rules as (

    select * from {{ ref('match_rules') }}
    where left_system = 'pendo'

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

-- An object that lost its last living record has a rate, too: of nobody.
objects as (

    select
        right_system as crm,
        right_object as object
    from rules

    union

    select
        crm,
        object
    from landed

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
        objects.crm,
        objects.object,
        products.product_object,
        cast(coalesce(landed.record_count, 0) as bigint) as record_count,
        cast(coalesce(products.product_count, 0) as bigint) as product_count,
        cast(coalesce(matched.matched_count, 0) as bigint) as matched_count,
        cast(coalesce(conflicting.conflict_record_count, 0) as bigint) as conflict_record_count,
        cast(coalesce(conflicting.conflict_product_count, 0) as bigint) as conflict_product_count,
        {{ rounded_ratio('100 * coalesce(matched.matched_count, 0)', 'products.product_count', 5, 2) }} as product_percent,
        {{ rounded_ratio('100 * coalesce(matched.matched_count, 0)', 'landed.record_count', 5, 2) }} as record_percent
    from objects
    left join landed on objects.crm = landed.crm and objects.object = landed.object
    left join products
        on products.product_object = case when objects.object in ('companies', 'Account') then 'account' else 'visitor' end
    left join matched on objects.crm = matched.crm and objects.object = matched.object
    left join conflicting on objects.crm = conflicting.crm and objects.object = conflicting.object

)

select * from rates
