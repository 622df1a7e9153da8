{#-
A table is made beside the old one, which it may read, and takes its place in the same statement. dbt's own way renames both and drops one,
each in a statement of its own.
-#}
{% materialization table, adapter='duckdb' %}
    {%- set before = load_cached_relation(this) -%}
    {%- set made = this.incorporate(type='table') -%}
    {%- set beside = make_intermediate_relation(made) -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- call statement('main') -%}
        drop table if exists {{ beside }};
        {{ create_table_as(False, beside, compiled_code) }}
        {% if before is not none -%}
        drop {{ before.type }} {{ before }};
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
