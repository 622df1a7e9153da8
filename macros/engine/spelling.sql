{#-
An address and a host in the one way in which keys are compared. What is not all visible ASCII goes through
backhaul/spelling.py, which an engine gets as a function of its own: no engine has Unicode's compatibility forms (NFKC) or IDNA.
-#}
{% macro normalized_email(expression) -%}
    {{ return(adapter.dispatch('normalized_email', 'backhaul')(expression)) }}
{%- endmacro %}

{% macro duckdb__normalized_email(expression) -%}
    case
        when regexp_matches({{ expression }}, '[^!-~]') then spelt_email({{ expression }})
        else lower({{ expression }})
    end
{%- endmacro %}

{#- Whether a text can be an address at all: a cheap test, so that only one of these is spelt. -#}
{% macro may_be_email(expression) -%}
    {{ return(adapter.dispatch('may_be_email', 'backhaul')(expression)) }}
{%- endmacro %}

{% macro duckdb__may_be_email(expression) -%}
    (contains({{ expression }}, '@') or contains({{ expression }}, '＠') or contains({{ expression }}, '﹫'))
{%- endmacro %}

{% macro normalized_host(expression) -%}
    {{ return(adapter.dispatch('normalized_host', 'backhaul')(expression)) }}
{%- endmacro %}

{% macro duckdb__normalized_host(expression) -%}
    case
        when regexp_matches({{ expression }}, '[^!-~]') then spelt_host({{ expression }})
        else lower({{ expression }})
    end
{%- endmacro %}
