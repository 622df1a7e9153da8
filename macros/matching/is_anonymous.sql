{#- Whether a visitor id of Pendo's names nobody: a person whom the product has not yet named, or its install snippet's unfilled placeholder. -#}
{% macro is_anonymous(visitor_id) -%}
    (left({{ visitor_id }}, 9) = '_PENDO_T_' or {{ visitor_id }} = 'VISITOR-UNIQUE-ID')
{%- endmacro %}
