{{
    config(
        materialized='incremental',
        on_schema_change='fail',
        pre_hook="{{ forget_changed_days('int_tagged_usage__closed') }}",
    )
}}

with

events as (

    select * from {{ ref('stg_pendo__tagged_events') }}

),

days as (

    {{ changed_days('int_tagged_usage__closed') }}

),

daily as (

    {{ summed_days('events', 'days', ['visitor_id', 'account_id', 'kind', 'tagged_id']) }}

)

select * from daily
-- So that a night, which reads a few days of hundreds, finds each in one place.
order by usage_on
