{#-
Rows are appended in one statement. dbt's own way makes a table of them, compares its columns with those there are, and inserts it: for a night,
which appends a day, that is more work than summing it. What replaces rows is dbt's own.
-#}
{% materialization incremental, adapter='duckdb' %}
    {%- set before = load_cached_relation(this) -%}
    {%- set appends = config.get('incremental_strategy') == 'append' and config.get('on_schema_change') == 'fail' -%}
    {%- if not appends or before is none or before.is_view or should_full_refresh() -%}
        {{ return(dbt.materialization_incremental_duckdb()) }}
    {%- endif -%}
    {%- set held = this.incorporate(type='table') -%}
    {%- set names = adapter.get_columns_in_relation(held) | map(attribute='name') | sort -%}
    {%- set coming = get_column_schema_from_query(compiled_code) | map(attribute='name') | sort -%}
    {%- if names != coming -%}
        {{
            exceptions.raise_compiler_error(
                held ~ ' has the columns ' ~ names | join(', ') ~ ', and the model now ' ~ coming | join(', ')
                ~ ': build it once with --full-refresh'
            )
        }}
    {%- endif -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- call statement('main') -%}
        {%- if config.get('contract').enforced %}
        {{ get_assert_columns_equivalent(compiled_code) }}
        {%- endif %}
        insert into {{ held }} by name (
            {{ compiled_code }}
        );
    {%- endcall -%}
    {%- do persist_docs(held, model) -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do adapter.commit() -%}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [held]}) }}
{% endmaterialization %}
