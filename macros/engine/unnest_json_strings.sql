{%- macro unnest_json_strings(json) -%}
    {{ return(adapter.dispatch('unnest_json_strings', 'backhaul')(json)) }}
{%- endmacro -%}

{%- macro duckdb__unnest_json_strings(json) -%}
    unnest(from_json({{ json }}, '["varchar"]'))
{%- endmacro -%}
