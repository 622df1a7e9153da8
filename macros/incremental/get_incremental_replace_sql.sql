{#- dbt's hook for the incremental strategy `replace`: the new rows, which may be made from the old ones, take their place. -#}
{% macro get_incremental_replace_sql(arguments) -%}
    {%- set columns = get_quoted_csv(arguments['dest_columns'] | map(attribute='name')) -%}
    delete from {{ arguments['target_relation'] }};
    insert into {{ arguments['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arguments['temp_relation'] }}
{%- endmacro %}
