{#-
The rows of the last run, for a table that goes on from them and then takes their place. There are none on a first run, on a
full refresh, and when the columns have changed, as they do with the list of windows. `columns` maps each column to its type.
-#}
{% macro prior_rows(columns) -%}
    {%- if continues() and holds_columns(this, columns) -%}
        select * from {{ this }}
    {%- else -%}
        select
            {% for name, type in columns.items() -%}
            cast(null as {{ type }}) as {{ name }}{{ "," if not loop.last }}
            {% endfor -%}
        where false
    {%- endif -%}
{%- endmacro %}

{#- Whether a run goes on from what the last one left; not on a full refresh. -#}
{% macro continues() -%}
    {{ return(execute and not should_full_refresh()) }}
{%- endmacro %}

{#- Whether a table is there and has all of these columns. -#}
{% macro holds_columns(relation, columns) -%}
    {%- if load_relation(relation) is none -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set held = adapter.get_columns_in_relation(relation) | map(attribute='name') | map('lower') | list -%}
    {{ return(columns | reject('in', held) | list | length == 0) }}
{%- endmacro %}
