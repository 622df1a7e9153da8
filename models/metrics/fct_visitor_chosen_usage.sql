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

    {{ chosen_sums('used', 'chosen', 'visitor_id') }}

)

select
    {{ chosen_columns('summed') }}
    visitors.visitor_id
from visitors
left join summed
    on visitors.visitor_id = summed.visitor_id
