{#- dbt's own cast, by which it reads a contract: the types of our YAML by Spark's names. A moment has no zone of its own there: it is UTC. -#}
{% macro spark__cast(field, type) -%}
    {%- set names = {'varchar': 'string', 'timestamp with time zone': 'timestamp', 'timestamptz': 'timestamp', 'integer': 'int'} -%}
    cast({{ field }} as {{ names.get(type | lower | trim, type) }})
{%- endmacro %}
