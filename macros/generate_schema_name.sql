{#- A model's schema is the folder's schema as written: `metrics`, not `main_metrics`. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
