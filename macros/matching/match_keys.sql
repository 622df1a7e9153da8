{#-
The keys that the match rules name, read off the landings: one select for each object and field. The rules are read when the model is
compiled, so the seed must be there; a rule that cannot work stops the build with its name.
-#}
{% macro match_keys(rules, gone, free_mail) -%}
{%- for field in match_fields(rules).values() %}
    select
        '{{ field.system }}' as system,
        '{{ field.object }}' as landed_object,
        '{{ field.name }}' as field,
        '{{ field.normalisation }}' as normalisation,
        '{{ field.system }} {{ field.object }} {{ field.name }} {{ field.normalisation }}' as field_key,
        object,
        record_id,
        key_value
    from (
        {{ field_keys(field, gone, free_mail) }}
    ) as field_keys
    where key_value is not null
    {{ "union all" if not loop.last }}
{%- else %}
    {{ no_rows(['system', 'landed_object', 'field', 'normalisation', 'field_key', 'object', 'record_id', 'key_value']) }}
{%- endfor -%}
{%- endmacro %}

{#-
One field's keys: object, record_id and key_value, which is null where the value is no key. Such rows are not filtered here: an engine would
filter them where they are landed, and so take every address apart twice.
-#}
{% macro field_keys(field, gone, free_mail) -%}
        select
            {#- A record that was merged or converted lends its keys to the one that lives. #}
            coalesce(gone.living_object, '{{ field.object }}') as object,
            case when gone.record_id is null then landed.record_id else gone.living_id end as record_id,
            landed.key_value
        from (
            select
                record_id,
                {{ normalized('value', field.normalisation, field.data_type) }} as key_value
            from (
                select {{ field.id }} as record_id, {{ field.value }} as value
                from {{ field.relation }}
                {%- if field.is_list %}
                where not contains({{ field.value }}, ';')

                union all

                select {{ field.id }} as record_id, {{ unnest_split(field.value, ';') }} as value
                from {{ field.relation }}
                where contains({{ field.value }}, ';')
                {%- endif %}
            ) as field_values
        ) as landed
        left join {{ gone }} as gone
            on
                landed.record_id = gone.record_id
                and gone.system = '{{ field.system }}'
                and gone.object = '{{ field.object }}'
        where
            (gone.record_id is null or gone.living_id is not null)
            {%- if field.normalisation == 'domain' %}
            {#- Gmail and friends never identify a company. A null among them would leave none. #}
            and landed.key_value not in (
                select free_mail.domain
                from (select {{ normalized('domain', 'domain') }} as domain from {{ free_mail }}) as free_mail
                where free_mail.domain is not null
            )
            {%- endif %}
{%- endmacro %}

{#-
What two records share: one row per rule, pair and value, with the rule's rank among all and whether there is a better one between the two
systems. One join for each object on the left: the keys of all its fields are looked up in one table of all that they may be found in, so
that the addresses of a million records are spelt once; the pair of fields says which rule it was. It reads the fields and not int_keys,
which has all of them: to plan a query over so many copies of that would take longer than to run it.
-#}
{% macro shared_keys(rules, gone, free_mail) -%}
{%- set fields = match_fields(rules) -%}
{%- set numbers = {} -%}
{%- set best = {} -%}
{%- set joins = {} -%}
{%- for row in match_rows(rules) -%}
    {%- set first = best.setdefault(row['left_system'] ~ ' ' ~ row['right_system'], row['priority']) -%}
    {%- set sides = [match_field(row, 'left'), match_field(row, 'right')] -%}
    {%- for side in sides -%}
        {%- do numbers.setdefault(side, numbers | length) -%}
    {%- endfor -%}
    {%- do joins.setdefault(row['left_system'] ~ '.' ~ row['left_object'], []).append({
        'sides': sides,
        'rule': row['rule'] | replace("'", "''"),
        'rank': loop.index,
        'has_better': row['priority'] > first,
    }) -%}
{%- endfor -%}
{%- for named in joins.values() %}
    select
        '{{ fields[named[0].sides[0]].system }}' as left_system,
        left_keys.object as left_object,
        left_keys.record_id as left_id,
        named.right_system,
        right_keys.object as right_object,
        right_keys.record_id as right_id,
        named.rule,
        named.rule_rank,
        named.has_better,
        left_keys.key_value
    from (
        {%- for side in named | map(attribute='sides.0') | unique %}
        select *, {{ numbers[side] }} as field_number
        from (
        {{ field_keys(fields[side], gone, free_mail) }}
        ) as field_keys
        {{ "union all" if not loop.last }}
        {%- endfor %}
    ) as left_keys
    inner join (
        {%- for side in named | map(attribute='sides.1') | unique %}
        select *, {{ numbers[side] }} as field_number
        from (
        {{ field_keys(fields[side], gone, free_mail) }}
        ) as field_keys
        {{ "union all" if not loop.last }}
        {%- endfor %}
    ) as right_keys
        on left_keys.key_value = right_keys.key_value
    inner join (
        values
        {%- for rule in named %}
        (
            {{ numbers[rule.sides[0]] * numbers | length + numbers[rule.sides[1]] }},
            '{{ fields[rule.sides[1]].system }}',
            '{{ rule.rule }}',
            {{ rule.rank }},
            {{ rule.has_better | lower }}
        ){{ "," if not loop.last }}
        {%- endfor %}
    ) as named (field_pair, right_system, rule, rule_rank, has_better)
        on left_keys.field_number * {{ numbers | length }} + right_keys.field_number = named.field_pair
    {{ "union all" if not loop.last }}
{%- else %}
    {{ no_rows([
        'left_system', 'left_object', 'left_id', 'right_system', 'right_object', 'right_id', 'rule', 'rule_rank integer',
        'has_better boolean', 'key_value',
    ]) }}
{%- endfor -%}
{%- endmacro %}

{#- A query of these columns without a row; a name without a type is a text's. -#}
{% macro no_rows(columns) -%}
select
    {%- for column in columns %}
    cast(null as {{ column.split(' ')[1] or 'string' }}) as {{ column.split(' ')[0] }}{{ "," if not loop.last }}
    {%- endfor %}
where false
{%- endmacro %}
