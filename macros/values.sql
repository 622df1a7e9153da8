{#- Values are compared as values, never as text. A family is string, number, boolean, date or datetime. -#}

{#- A typed expression as the text that a CRM takes. -#}
{% macro as_text(expression, family) -%}
    {%- if family == 'datetime' -%} {{ utc_iso_text(expression) }}
    {%- else -%} cast({{ expression }} as varchar)
    {%- endif -%}
{%- endmacro %}

{#- A CRM's text as a value: '12.0' is 12, and midnight UTC in milliseconds is that date. Null when it is no such value. -#}
{% macro as_value(text, family) -%}
    {%- if family == 'number' -%} try_cast({{ text }} as decimal(38, 9))
    {%- elif family == 'boolean' -%} try_cast({{ text }} as boolean)
    {%- elif family == 'date' -%} cast(coalesce({{ utc_timestamp(text) }}, {{ timestamp_of_millis(text) }}) as date)
    {%- elif family == 'datetime' -%} coalesce({{ utc_timestamp(text) }}, {{ timestamp_of_millis(text) }})
    {%- else -%} {{ text }}
    {%- endif -%}
{%- endmacro %}

{#- Whether two CRM texts are different values. Empty text is no value; text that is no value of its family differs from none. -#}
{% macro differs(left, right, family) -%}
    (
        {{ as_value("nullif(" ~ left ~ ", '')", family) }} is distinct from {{ as_value("nullif(" ~ right ~ ", '')", family) }}
        or (nullif({{ left }}, '') is null) <> (nullif({{ right }}, '') is null)
    )
{%- endmacro %}
