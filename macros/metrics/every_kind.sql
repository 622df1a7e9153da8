{#- Pendo's tables of pages, of features and of track types, in this order, as one: the same columns, with the kind, and the id under one name. -#}
{% macro every_kind(tables, columns) -%}
    {% for kind in ['page', 'feature', 'track_type'] -%}
    select
        '{{ kind }}' as kind,
        {{ kind }}_id as tagged_id,
        {{ columns | join(', ') }}
    from {{ source('pendo', tables[loop.index0]) }}
    {{ "union all" if not loop.last }}
    {% endfor %}
{%- endmacro %}
