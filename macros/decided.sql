{#-
A test of a seed, which has no contract: rows that lack a column which each must say, say something that is none of what a column may, are
wrong in another way, or share their key with another, each with its first mistake. One test for a whole seed: people look at one place, and
a night asks once. `wrong` maps what to say to the SQL of its condition. Of the seed alone: dbt lets nothing wait for a test of two relations.
-#}
{% test decided(model, key=[], filled=[], accepted={}, wrong={}) %}
{%- set mistakes = [] -%}
{%- for column in key + filled -%}
    {%- do mistakes.append((column ~ ' is null', column ~ ' is empty')) -%}
{%- endfor -%}
{%- for column, values in accepted.items() -%}
    {%- set said = [] -%}
    {%- for value in values %}{% do said.append(dbt.string_literal(dbt.escape_single_quotes(value))) %}{% endfor -%}
    {%- do mistakes.append((column ~ ' not in (' ~ said | join(', ') ~ ')', column ~ ' is none of ' ~ values | join(', '))) -%}
{%- endfor -%}
{%- for mistake, condition in wrong.items() -%}
    {%- do mistakes.append((condition, mistake)) -%}
{%- endfor -%}
{%- if key -%}
    {%- set owner = key | join(', ') -%}
    {%- do mistakes.append(('count(*) over (partition by ' ~ owner ~ ') > 1', 'another row has the same ' ~ owner)) -%}
{%- endif -%}
select *
from (
    select
        *,
        case
            {%- for condition, mistake in mistakes %}
            when {{ condition }} then {{ dbt.string_literal(dbt.escape_single_quotes(mistake)) }}
            {%- endfor %}
        end as mistake
    from {{ model }}
) as looked_at
where mistake is not null
{% endtest %}
