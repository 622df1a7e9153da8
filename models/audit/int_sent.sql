{{ config(materialized='view') }}

with

sent as (

    select * from {{ ref('sent_hubspot__companies') }}

    union all

    select * from {{ ref('sent_hubspot__contacts') }}

    union all

    select * from {{ ref('sent_salesforce__accounts') }}

    union all

    select * from {{ ref('sent_salesforce__contacts') }}

    union all

    select * from {{ ref('sent_salesforce__leads') }}

    union all

    select * from {{ ref('sent_salesforce__opportunities') }}

    union all

    select * from {{ ref('sent_salesforce__subscriptions') }}

    union all

    select * from {{ ref('sent_pendo__accounts') }}

    union all

    select * from {{ ref('sent_pendo__visitors') }}

)

select * from sent
