{#- A statement that deletes the rows of some days from a roll-up. `days` is a query of their dates. -#}
{% macro forgotten_days(relation, days) -%}
    {{ return(adapter.dispatch('forgotten_days', 'backhaul')(relation, days)) }}
{%- endmacro %}

{% macro duckdb__forgotten_days(relation, days) -%}
    delete from {{ relation }} where usage_on in ({{ days }})
{%- endmacro %}

{#- A table of plain Parquet can be changed by its partitions, which are the days, and those are to be named. -#}
{% macro spark__forgotten_days(relation, days) -%}
    {%- set named = run_query(days).columns[0].values() | unique | list -%}
    {%- if named -%}
        alter table {{ relation }} drop if exists
        {%- for day in named %}
        partition (usage_on = date '{{ day }}'){{ "," if not loop.last }}
        {%- endfor %}
    {%- else -%}
        select 1
    {%- endif -%}
{%- endmacro %}
