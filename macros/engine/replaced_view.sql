{#-
A view is replaced in one statement. dbt's own way makes the new one beside the old one, renames both and drops one: for a night,
in which most views are as they were, that is as much work as summing the usage of a million people.
-#}
{% materialization view, adapter='duckdb' %}
    {%- set made = create_or_replace_view() -%}
    {%- do adapter.commit() -%}
    {{ return(made) }}
{% endmaterialization %}

{% macro duckdb__create_view_as(relation, sql) -%}
    {%- if config.get('contract').enforced -%}
        {{ get_assert_columns_equivalent(sql) }}
    {%- endif %}
    create or replace view {{ relation }} as (
        {{ sql }}
    );
{%- endmacro %}
