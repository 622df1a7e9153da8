{#- A text with what a pattern finds put into another form, in which \1 is its first group. The pattern is of the whole text. -#}
{% macro regexp_rewritten(text, pattern, form) -%}
    {{ return(adapter.dispatch('regexp_rewritten', 'backhaul')(text, pattern, form)) }}
{%- endmacro %}

{% macro duckdb__regexp_rewritten(text, pattern, form) -%}
    regexp_replace({{ text }}, '{{ pattern }}', '{{ form }}')
{%- endmacro %}

{% macro spark__regexp_rewritten(text, pattern, form) -%}
    regexp_replace({{ text }}, '{{ pattern }}', '{{ form | replace("\\", "$") }}')
{%- endmacro %}

{#- Whether a pattern is found in a text. -#}
{% macro regexp_found(text, pattern) -%}
    {{ return(adapter.dispatch('regexp_found', 'backhaul')(text, pattern)) }}
{%- endmacro %}

{% macro duckdb__regexp_found(text, pattern) -%}
    regexp_matches({{ text }}, '{{ pattern }}')
{%- endmacro %}

{% macro spark__regexp_found(text, pattern) -%}
    {{ text }} rlike '{{ pattern }}'
{%- endmacro %}
