{#-
A landed value as a key, by one of the normalisations that a match rule may name; null when it is no key.

`domain` takes a web address or an address bar's line. `salesforce_id` writes the 18 characters, whose last three say which of the others
are capitals; an id of 18 whose letters have lost their case, and a text that is no id, are null. `exact` is the value without the blanks
around it, a whole number without a fraction.
-#}
{% macro normalized(expression, normalisation, data_type='string') -%}
{%- set text = whole_number_text(expression) if data_type in ['double', 'float'] else 'cast(' ~ expression ~ ' as string)' -%}
{%- if normalisation == 'email' -%}
    {{ normalized_email(text) }}
{%- elif normalisation == 'domain' -%}
    nullif(
        {{ normalized_host(regexp_rewritten('trim(' ~ text ~ ')', '^([A-Za-z][A-Za-z0-9+.-]*://)?([Ww][Ww][Ww][.])?([^/:?#]*?)[.]?([/:?#].*)?$', '\\3')) }},
        ''
    )
{%- elif normalisation == 'salesforce_id' -%}
    {{ normalized_salesforce_id('trim(' ~ text ~ ')') }}
{%- elif normalisation == 'exact' -%}
    nullif(trim({{ text }}), '')
{%- endif -%}
{%- endmacro %}

{% macro whole_number_text(expression) -%}
case
    when {{ expression }} = floor({{ expression }}) and abs({{ expression }}) < 9007199254740992
        then cast(cast({{ expression }} as bigint) as string)
    else cast({{ expression }} as string)
end
{%- endmacro %}

{% macro normalized_salesforce_id(text) -%}
{%- set whole = namespace(sql="substr(" ~ text ~ ", 1, 15)") -%}
{%- for start in [1, 6, 11] -%}
    {%- set bits = [] -%}
    {%- for place in range(5) -%}
        {%- do bits.append("case when substr(" ~ text ~ ", " ~ (start + place) ~ ", 1) between 'A' and 'Z' then " ~ 2 ** place ~ " else 0 end") -%}
    {%- endfor -%}
    {%- set whole.sql = whole.sql ~ "\n        || substr('ABCDEFGHIJKLMNOPQRSTUVWXYZ012345', 1 + " ~ bits | join(' + ') ~ ", 1)" -%}
{%- endfor -%}
case
    when not {{ regexp_found(text, '^[A-Za-z0-9]{15}([A-Z0-5]{3})?$') }} then null
    when length({{ text }}) = 18 and {{ text }} <> {{ whole.sql }} then null
    else {{ whole.sql }}
end
{%- endmacro %}
