{#-
The rows of the last run, for a model that goes on from them. There are none on a first run, on a full refresh, and when
the columns have changed, as they do with the list of windows. `columns` maps each column to its type.
-#}
{% macro prior_rows(columns) -%}
    {%- if is_incremental() and holds_columns(this, columns) -%}
        select * from {{ this }}
    {%- else -%}
        select
            {% for name, type in columns.items() -%}
            cast(null as {{ type }}) as {{ name }}{{ "," if not loop.last }}
            {% endfor -%}
        where false
    {%- endif -%}
{%- endmacro %}

{% macro holds_columns(relation, columns) -%}
    {%- set held = adapter.get_columns_in_relation(relation) | map(attribute='name') | map('lower') | list -%}
    {{ return(columns.keys() | reject('in', held) | list | length == 0) }}
{%- endmacro %}
