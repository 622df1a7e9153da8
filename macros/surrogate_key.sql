{#- A whole number in place of an id, null for null. -#}
{% macro surrogate_key(id) -%}
    case when {{ id }} is not null then {{ hash64([id]) }} end
{%- endmacro %}

{#- A test: rows whose id is missing or has the surrogate key of another row. Where it holds, the id is a key, too. -#}
{% test surrogate_key(model, column_name) %}
select {{ column_name }}
from {{ model }}
where
    {{ column_name }} is null
    or {{ surrogate_key(column_name) }} in (
        select {{ surrogate_key(column_name) }}
        from {{ model }}
        group by {{ surrogate_key(column_name) }}
        having count(*) > 1
    )
{% endtest %}
