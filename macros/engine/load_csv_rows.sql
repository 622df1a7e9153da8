{#- A seed's rows, in one statement. dbt-spark's own way breaks at a text with a quotation mark, and passes numbers through a double. -#}
{% macro spark__load_csv_rows(model, agate_table) -%}
    {%- set types = model['config'].get('column_types', {}) -%}
    {%- set sql -%}
        insert into {{ this }} values
        {%- for row in agate_table.rows %}
        (
            {%- for name in agate_table.column_names -%}
            {%- set type = types.get(name, adapter.convert_type(agate_table, loop.index0)) -%}
            {%- set value = row[loop.index0] -%}
            {{ 'cast(null as ' ~ type ~ ')' if value is none else "cast('" ~ (value | string | replace('\\', '\\\\') | replace("'", "\\'")) ~ "' as " ~ type ~ ')' }}
            {{- ', ' if not loop.last }}
            {%- endfor -%}
        ){{ ',' if not loop.last }}
        {%- endfor %}
    {%- endset -%}
    {%- if agate_table.rows | length > 0 -%}
        {%- do adapter.add_query(sql, abridge_sql_log=true) -%}
    {%- endif -%}
    {{ return(sql) }}
{%- endmacro %}
