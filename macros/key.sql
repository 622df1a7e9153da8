{#- A test: rows that share their key with another, or lack a part of it. One test says both, and of several columns without joining texts. -#}
{% test key(model, columns=[], column_name=none) %}
{%- set key = columns or [column_name] -%}
select
    {{ key | join(', ') }},
    count(*) as row_count
from {{ model }}
group by {{ key | join(', ') }}
having
    count(*) > 1
    {%- for column in key %}
    or {{ column }} is null
    {%- endfor %}
{% endtest %}
