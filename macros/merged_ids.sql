{#- The ids that merges have retired. HubSpot lists them on the survivor and nowhere else. -#}
{% macro merged_ids(relation, column) -%}
select trim(merged_id) from (select {{ unnest_split(column, ';') }} as merged_id from {{ relation }}) as merges where trim(merged_id) <> ''
{%- endmacro %}
