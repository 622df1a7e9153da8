{%- set names = chosen_names(ref('chosen_usage')) -%}
with

visitors as (

    select * from {{ ref('int_visitors__identified') }}

),

chosen as (

    select * from {{ ref('chosen_usage') }}

),

used as (

    select * from {{ ref('int_tagged_usage__windowed') }}

),

summed as (

    {{ chosen_sums('used', 'chosen', 'visitor_id', names) }}

)

select
    {{ chosen_columns('summed', names) }}
    visitors.visitor_id
from visitors
left join summed
    on visitors.visitor_id = summed.visitor_id
