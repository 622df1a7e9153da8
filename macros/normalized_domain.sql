{#- A web address or domain as a key: lower case, without scheme, www., port, path and trailing dot. -#}
{% macro normalized_domain(expression) -%}
nullif(regexp_replace(lower(trim({{ expression }})), '^([a-z][a-z0-9+.-]*://)?(www\.)?([^/:?#]*?)\.?([/:?#].*)?$', '\3'), '')
{%- endmacro %}
