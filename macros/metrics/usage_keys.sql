{#-
Whole numbers in place of ids: to add up and join millions of rows by them takes two thirds of what the texts take. A test of the landed
ids, surrogate_key, holds that no two of them have the same.
-#}
{% macro visitor_key() -%}
    {{ surrogate_key('visitor_id') }}
{%- endmacro %}

{#- Null for usage without an account. -#}
{% macro account_key() -%}
    {{ surrogate_key('account_id') }}
{%- endmacro %}

{#- The number of two texts, as an engine may hash short and long ones apart: when an upgrade makes another, the keys that a table holds mean nothing. -#}
{% macro key_check() -%}
    {{ hash64(["'short'", "'longer than a dozen letters'"]) }}
{%- endmacro %}

{#- Whoever reads the table must not take unknown keys for no usage. -#}
{% macro keys_hold() -%}
    case
        when key_check = {{ key_check() }} then true
        else cast({{ raised('int_usage__summed was built with another version of the engine: build it, too') }} as boolean)
    end
{%- endmacro %}
