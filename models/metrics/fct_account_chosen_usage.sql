{%- set names = chosen_names(ref('chosen_usage')) -%}
with

accounts as (

    select * from {{ ref('stg_pendo__accounts') }}

),

chosen as (

    select * from {{ ref('chosen_usage') }}

),

used as (

    select * from {{ ref('int_tagged_usage__windowed') }}

),

summed as (

    {{ chosen_sums('used', 'chosen', 'account_id', names) }}

)

select
    {{ chosen_columns('summed', names) }}
    accounts.account_id
from accounts
left join summed
    on accounts.account_id = summed.account_id
