{%- macro json_text(json, key) -%}
    {{ return(adapter.dispatch('json_text', 'backhaul')(json, key)) }}
{%- endmacro -%}

{%- macro duckdb__json_text(json, key) -%}
    json_extract_string({{ json }}, '$.{{ key }}')
{%- endmacro -%}

{%- macro spark__json_text(json, key) -%}
    get_json_object({{ json }}, '$.{{ key }}')
{%- endmacro -%}
