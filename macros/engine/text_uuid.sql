{#- A text as a UUID of version 8 (made by its owner's own rule): the same text gives the same one in every engine and for ever. -#}
{% macro text_uuid(text) -%}
    {{ return(adapter.dispatch('text_uuid', 'backhaul')(text)) }}
{%- endmacro %}

{% macro default__text_uuid(text) -%}
    concat(
        substr(md5({{ text }}), 1, 8), '-',
        substr(md5({{ text }}), 9, 4), '-8',
        substr(md5({{ text }}), 14, 3), '-8',
        substr(md5({{ text }}), 18, 3), '-',
        substr(md5({{ text }}), 21, 12)
    )
{%- endmacro %}
