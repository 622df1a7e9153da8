{#-
A view is replaced in one statement. dbt's own way makes the new one beside the old one, renames both and drops one: for a night,
in which most views are as they were, that is as much work as summing the usage of a million people.
-#}
{% materialization view, adapter='duckdb' %}
    {%- set before = load_cached_relation(this) -%}
    {%- set made = this.incorporate(type='view') -%}
    {%- set is_more = pre_hooks or post_hooks or (before is not none and before.is_table) -%}
    {{ run_hooks(pre_hooks) }}
    -- One statement is a transaction of its own.
    {%- call statement('main', auto_begin=is_more) -%}
        {% if before is not none and before.is_table -%}
        drop table if exists {{ before }};
        {% endif -%}
        {{ get_create_view_as_sql(made, sql) }}
    {%- endcall -%}
    {{ run_hooks(post_hooks) }}
    {%- do adapter.commit() if is_more -%}
    {{ return({'relations': [made]}) }}
{% endmaterialization %}

{% macro duckdb__create_view_as(relation, sql) -%}
    {%- if config.get('contract').enforced -%}
        {{ get_assert_columns_equivalent(sql) }}
    {%- endif %}
    create or replace view {{ relation }} as (
        {{ sql }}
    );
{%- endmacro %}
