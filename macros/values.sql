{#- Values are compared as values, never as text. A family is string, number, boolean, date or datetime. -#}

{#- A typed expression as the text that a CRM takes. Empty text is no value: a CRM takes it for "clear this". -#}
{% macro as_text(expression, family) -%}
    {%- if family == 'datetime' -%} {{ utc_iso_text(expression) }}
    {%- elif family == 'string' -%} nullif(cast({{ expression }} as string), '')
    {%- else -%} cast({{ expression }} as string)
    {%- endif -%}
{%- endmacro %}

{#- A CRM's text as a value: '12.0' is 12, and midnight UTC in milliseconds is that date. Null when it is no such value. -#}
{% macro as_value(text, family) -%}
    {%- if family == 'number' -%} try_cast({{ text }} as decimal(38, 9))
    {%- elif family == 'boolean' -%} try_cast({{ text }} as boolean)
    {%- elif family in ['date', 'datetime'] -%}
    {#- Sessions run in UTC (profiles.yml), so a timestamp with a zone casts to the same moment without one. #}
    {#- Milliseconds of the years 1 to 9999: an engine stops at those that are past its calendar, and no CRM has them. #}
    {%- set number = "try_cast(" ~ text ~ " as bigint)" -%}
    {%- set millis = "case when " ~ number ~ " between -62135596800000 and 253402300799999 then " ~ number ~ " end" -%}
    {%- set moment = "coalesce(" ~ utc_timestamp(text) ~ ", cast(" ~ timestamp_from_millis("(" ~ millis ~ ")") ~ " as timestamp))" -%}
    {{ moment if family == 'datetime' else "cast(" ~ moment ~ " as date)" }}
    {%- else -%} {{ text }}
    {%- endif -%}
{%- endmacro %}

{#-
Whether two CRM texts are different values. Empty text is no value. Texts that are no values of their family, or numbers past the
decimals that an engine has, are compared as they stand.
-#}
{% macro differs(left, right, family) -%}
{%- set one = "nullif(" ~ left ~ ", '')" -%}
{%- set other = "nullif(" ~ right ~ ", '')" -%}
    (
        {{ as_value(one, family) }} is distinct from {{ as_value(other, family) }}
        {%- if family == 'number' %}
        or try_cast({{ one }} as double) is distinct from try_cast({{ other }} as double)
        {%- endif %}
        or (
            {{ one }} is distinct from {{ other }}
            and {{ as_value(one, family) }} is null and {{ as_value(other, family) }} is null
            {%- if family == 'number' %}
            and try_cast({{ one }} as double) is null
            {%- endif %}
        )
        or ({{ one }} is null) <> ({{ other }} is null)
    )
{%- endmacro %}

{#- `differs` where the family is a column and not known beforehand. -#}
{% macro differs_by(family, left, right) -%}
    case {{ family }}
        {%- for one in ['number', 'boolean', 'date', 'datetime'] %}
        when '{{ one }}' then {{ differs(left, right, one) | trim }}
        {%- endfor %}
        else {{ differs(left, right, 'string') | trim }}
    end
{%- endmacro %}
