{#-
A test counts first, and keeps rows only when some fail. dbt's own way drops a table, makes an empty one, commits and reads it, for each of the
tests that hold: for a night, in which they all do, that is as much work as the tests themselves.
-#}
{% materialization test, adapter='duckdb' %}
    {%- set limited = get_limit_subquery_sql(sql, config.get('limit')) -%}
    {%- call statement('main', fetch_result=True, auto_begin=False) -%}
        {{ get_test_sql(limited, config.get('fail_calc'), config.get('warn_if'), config.get('error_if'), limit=none) }}
    {%- endcall -%}
    {%- if not should_store_failures() -%}
        {{ return({'relations': []}) }}
    {%- endif -%}

    {%- set kept_as = config.get('store_failures_as') or 'table' -%}
    {%- set before = adapter.get_relation(database=database, schema=schema, identifier=model['alias']) -%}
    {%- if before is not none -%}
        {%- do adapter.drop_relation(before) -%}
    {%- endif -%}
    {%- if load_result('main')['data'][0][0] == 0 -%}
        {{ return({'relations': []}) }}
    {%- endif -%}

    {%- set failures = api.Relation.create(database=database, schema=schema, identifier=model['alias'], type=kept_as) -%}
    {%- call statement('failures', auto_begin=True) -%}
        {{ get_create_sql(failures, limited) }}
    {%- endcall -%}
    {%- do adapter.commit() -%}
    {{ return({'relations': [failures]}) }}
{% endmaterialization %}
