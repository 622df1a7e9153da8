{#- A text as a JSON string, quoted and escaped. -#}
{% macro json_string(text) -%}
    {{ return(adapter.dispatch('json_string', 'backhaul')(text)) }}
{%- endmacro %}

{% macro duckdb__json_string(text) -%}
    cast(to_json(cast({{ text }} as string)) as string)
{%- endmacro %}

{#- Spark writes lists and not texts; what is between its brackets is the text. -#}
{% macro spark__json_string(text) -%}
    {%- set list = 'to_json(array(cast(' ~ text ~ ' as string)))' -%}
    case when {{ text }} is not null then substr({{ list }}, 2, length({{ list }}) - 2) end
{%- endmacro %}
