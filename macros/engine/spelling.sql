{#-
An address and a host in the one way in which keys are compared. What is not all visible ASCII goes through
backhaul/spelling.py, which an engine gets as a function of its own: no engine has Unicode's compatibility forms (NFKC) or IDNA.
-#}
{% macro normalized_email(expression) -%}
    {{ return(adapter.dispatch('normalized_email', 'backhaul')(expression)) }}
{%- endmacro %}

{% macro duckdb__normalized_email(expression) -%}
    case
        {#- Cheap, so that only what can be an address at all is spelt. #}
        when not contains({{ expression }}, '@') and not contains({{ expression }}, '＠') and not contains({{ expression }}, '﹫') then null
        when {{ duckdb__is_plain(expression) }} then lower({{ expression }})
        else spelt_email({{ expression }})
    end
{%- endmacro %}

{#-
Whether a text has ASCII's letters and signs alone: as many bytes as characters, and none of the blanks that are trimmed. Half the price of a
regular expression, and every address and host pays it.
-#}
{% macro duckdb__is_plain(expression) -%}
    (
        strlen({{ expression }}) = length({{ expression }})
        and not contains({{ expression }}, ' ')
        {%- for code in [9, 10, 11, 12, 13] %}
        and not contains({{ expression }}, chr({{ code }}))
        {%- endfor %}
    )
{%- endmacro %}

{% macro normalized_host(expression) -%}
    {{ return(adapter.dispatch('normalized_host', 'backhaul')(expression)) }}
{%- endmacro %}

{% macro duckdb__normalized_host(expression) -%}
    case when {{ duckdb__is_plain(expression) }} then lower({{ expression }}) else spelt_host({{ expression }}) end
{%- endmacro %}

{#- The session has the functions, as DuckDB's connections do. -#}
{% macro spark__normalized_email(expression) -%}
    case
        when not contains({{ expression }}, '@') and not contains({{ expression }}, '＠') and not contains({{ expression }}, '﹫') then null
        when {{ spark__is_plain(expression) }} then lower({{ expression }})
        else spelt_email({{ expression }})
    end
{%- endmacro %}

{% macro spark__is_plain(expression) -%}
    (octet_length({{ expression }}) = length({{ expression }}) and not {{ expression }} rlike '[ \\t\\n\\x0B\\f\\r]')
{%- endmacro %}

{% macro spark__normalized_host(expression) -%}
    case when {{ spark__is_plain(expression) }} then lower({{ expression }}) else spelt_host({{ expression }}) end
{%- endmacro %}
