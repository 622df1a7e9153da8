{#- What stands for a record in the ledger, where a text of three parts would be slow to find. All three are SQL expressions. -#}
{% macro record_key(destination, object, record_id) -%}
    {{ text_digest(destination ~ " || '|' || " ~ object ~ " || '|' || " ~ record_id) }}
{%- endmacro %}
