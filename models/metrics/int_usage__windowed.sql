with

summed as (

    select * from {{ ref('int_usage__summed') }}

)

select
    visitor_id,
    account_id,
    {% for name in activity_columns() -%}
    {{ name }},
    {% endfor -%}
    {% for name in window_sum_columns() -%}
    {{ name }} + {{ open_part(name) }} as {{ name }}{{ "," if not loop.last }}
    {% endfor %}
from summed
