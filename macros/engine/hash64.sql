{%- macro hash64(columns) -%}
    {{ return(adapter.dispatch('hash64', 'backhaul')(columns)) }}
{%- endmacro -%}

{%- macro duckdb__hash64(columns) -%}
    cast(hash({{ columns | join(', ') }}) >> 1 as bigint)
{%- endmacro -%}

{%- macro spark__hash64(columns) -%}
    xxhash64({{ columns | join(', ') }})
{%- endmacro -%}
