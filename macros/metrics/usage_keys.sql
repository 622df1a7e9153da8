{#-
Whole numbers in place of ids: to add up and join millions of rows by them takes two thirds of what the texts take. A test of the ids,
surrogate_key, holds that no two have the same.
-#}
{% macro visitor_key() -%}
    {{ surrogate_key('visitor_id') }}
{%- endmacro %}

{#- Null for usage without an account. -#}
{% macro account_key() -%}
    {{ surrogate_key('account_id') }}
{%- endmacro %}

{#- The key of one text: when an upgrade of the engine makes another of it, the keys that a table holds mean nothing. -#}
{% macro key_check() -%}
    {{ surrogate_key("'key_check'") }}
{%- endmacro %}
