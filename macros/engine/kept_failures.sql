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

    {%- set before = adapter.get_relation(database=database, schema=schema, identifier=model['alias']) -%}
    {%- set fails = load_result('main')['data'][0][0] > 0 -%}
    {%- if before is none and not fails -%}
        {{ return({'relations': []}) }}
    {%- endif -%}
    {%- set kept_as = config.get('store_failures_as') or 'table' -%}
    {%- set failures = api.Relation.create(database=database, schema=schema, identifier=model['alias'], type=kept_as) -%}
    {%- call statement('failures', auto_begin=True) -%}
        {% if before is not none -%}
        drop {{ before.type }} if exists {{ before }};
        {% endif -%}
        {{ get_create_sql(failures, limited) if fails }}
    {%- endcall -%}
    {%- do adapter.commit() -%}
    {{ return({'relations': [failures] if fails else []}) }}
{% endmaterialization %}
