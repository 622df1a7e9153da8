{#- Whether a visitor counts: a person by name, whom nobody excluded. -#}
{% macro is_identified(visitor_id, is_excluded) -%}
    (
        not {{ is_anonymous(visitor_id) }}
        -- Excluded in Pendo: staff, tests, people who objected.
        and not {{ is_excluded }}
    )
{%- endmacro %}
