{%- macro unnest_distinct_strings(json, text) -%}
    {{ return(adapter.dispatch('unnest_distinct_strings', 'backhaul')(json, text)) }}
{%- endmacro -%}

{%- macro duckdb__unnest_distinct_strings(json, text) -%}
    unnest(list_distinct(list_append(coalesce(from_json({{ json }}, '["varchar"]'), []), {{ text }})))
{%- endmacro -%}
