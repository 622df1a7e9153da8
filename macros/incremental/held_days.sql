{#- The days that an incremental table holds; none on a first run and on a full refresh. -#}
{% macro held_days() -%}
    {%- if is_incremental() -%}
        select distinct usage_on from {{ this }}
    {%- else -%}
        select cast(null as date) as usage_on where false
    {%- endif -%}
{%- endmacro %}
