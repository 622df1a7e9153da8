{#-
A table is made beside the old one, which it may read, and takes its place in the same statement. dbt's own way renames both and drops one,
each in a statement of its own.

`meta: {uncompressed: true}` leaves out the compression of a large table that every night makes anew: it takes longer than all that reads it.
-#}
{% materialization table, adapter='duckdb' %}
    {%- set before = load_cached_relation(this) -%}
    {%- set made = this.incorporate(type='table') -%}
    {%- set beside = make_intermediate_relation(made) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- call statement('main') -%}
        drop table if exists {{ beside }};
        {{ uncompressed_table(beside, compiled_code) if config.meta_get('uncompressed') and not adapter.is_ducklake(made) else create_table_as(False, beside, compiled_code) }}
        {% if before is not none -%}
        drop {{ before.type }} if exists {{ before }};
        {% endif -%}
        alter table {{ beside }} rename to {{ adapter.quote(made.identifier) }};
    {%- endcall -%}
    {%- do create_indexes(made) -%}
    {%- do persist_docs(made, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [made]}) }}
{% endmaterialization %}

{% macro uncompressed_table(relation, sql) -%}
    {%- set columns = [] -%}
    {%- if config.get('contract').enforced -%}
        {{ get_assert_columns_equivalent(sql) }}
        {%- do columns.extend(adapter.render_raw_columns_constraints(raw_columns=model['columns'])) -%}
    {%- else -%}
        {%- for column in get_column_schema_from_query(sql) -%}
            {%- do columns.append(adapter.quote(column.name) ~ ' ' ~ column.data_type) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set constraints = adapter.render_raw_model_constraints(raw_constraints=model['constraints']) -%}
    create table {{ relation }} (
        {{ columns | join(' using compression uncompressed, ') }} using compression uncompressed
        {%- for constraint in constraints %}, {{ constraint }}{% endfor %}
    );
    insert into {{ relation }} by name ({{ sql }});
{%- endmacro %}
