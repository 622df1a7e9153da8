{#- The Pendo fields that a sync model fills, out of the landed JSON object `custom`: a column of text for each, with a comma behind. -#}
{% macro metadata_columns(sync) -%}
{%- if execute -%}
{%- set model = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | selectattr('name', 'equalto', sync) | first -%}
{%- for column in model.columns.values() if column.config.meta.property -%}
{{ json_text('custom', column.config.meta.property) }} as {{ column.config.meta.property }},
{% endfor -%}
{%- endif -%}
{%- endmacro %}
