{#-
The keys that the match rules name, read off the landings: one select for each object and field. `landings` maps a system and object to
its source, the column with its id, and a condition on its rows. The rules are read when the model is compiled, so the seed must be there;
a rule that cannot work stops the build with its name.
-#}
{% macro match_keys(rules, gone, free_mail, landings) -%}
{%- set fields = match_fields(rules, landings) -%}
{%- for field in fields %}
    select
        '{{ field.system }}' as system,
        '{{ field.object }}' as landed_object,
        '{{ field.name }}' as field,
        '{{ field.normalisation }}' as normalisation,
        '{{ field.system }} {{ field.object }} {{ field.name }} {{ field.normalisation }}' as field_key,
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
        {%- if field.normalisation == 'email' %}
        where {{ may_be_email('value') }}
        {%- endif %}
    ) as landed
    left join {{ gone }} as gone
        on
            landed.record_id = gone.record_id
            and gone.system = '{{ field.system }}'
            and gone.object = '{{ field.object }}'
    where
        (gone.record_id is null or gone.living_id is not null)
        {%- if field.normalisation != 'email' %}
        and landed.key_value is not null
        {%- endif %}
        {%- if field.normalisation == 'domain' %}
        {#- Gmail and friends never identify a company. #}
        and landed.key_value not in (select {{ normalized('domain', 'domain') }} from {{ free_mail }})
        {%- endif %}
    {{ "union all" if not loop.last }}
{%- else %}
    select
        cast(null as varchar) as system,
        cast(null as varchar) as landed_object,
        cast(null as varchar) as field,
        cast(null as varchar) as normalisation,
        cast(null as varchar) as field_key,
        cast(null as varchar) as object,
        cast(null as varchar) as record_id,
        cast(null as varchar) as key_value
    where false
{%- endfor -%}
{%- endmacro %}

{#- The fields that the rules name, each once with each normalisation, and how to read it. Raises an error that names the rule. -#}
{% macro match_fields(rules, landings) -%}
    {%- if not execute or load_relation(rules) is none -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set found = {} -%}
    {%- set columns = {} -%}
    {%- for row in run_query('select * from ' ~ rules ~ ' order by priority, rule').rows -%}
        {#- Two deals of one name and amount are two deals. -#}
        {%- set objects = [row['left_object'], row['right_object']] -%}
        {%- if 'deals' in objects or 'Opportunity' in objects -%}
            {%- if objects != ['deals', 'Opportunity'] or (row['left_field'] | lower != 'id' and row['right_field'] | lower != 'id') -%}
                {{ exceptions.raise_compiler_error('seeds/match_rules.csv: rule ' ~ row['rule'] ~ ': HubSpot deals pair with Salesforce Opportunity alone, by the id of one of them; name id or Id on one side and the property that has it on the other') }}
            {%- endif -%}
        {%- endif -%}
        {%- for side in ['left', 'right'] -%}
            {%- set system = row[side ~ '_system'] -%}
            {%- set object = row[side ~ '_object'] -%}
            {%- set name = row[side ~ '_field'] -%}
            {%- set place = 'seeds/match_rules.csv: rule ' ~ row['rule'] ~ ': ' -%}
            {%- set landing = landings.get(system ~ '.' ~ object) -%}
            {%- if not landing -%}
                {{ exceptions.raise_compiler_error(place ~ system ~ ' ' ~ object ~ ' is not among the landings of int_keys.sql (' ~ landings | join(', ') ~ '); add it there') }}
            {%- endif -%}
            {%- if system ~ '.' ~ object not in columns -%}
                {%- set known = {} -%}
                {%- for column in adapter.get_columns_in_relation(landing.relation) -%}
                    {%- do known.update({column.name | lower: column}) -%}
                {%- endfor -%}
                {%- do columns.update({system ~ '.' ~ object: known}) -%}
            {%- endif -%}
            {%- set known = columns[system ~ '.' ~ object] -%}
            {%- set group = name.split('.')[0] if '.' in name else none -%}
            {%- if group and group in known and system == 'pendo' and modules.re.fullmatch('[A-Za-z0-9_]+', name.split('.', 1)[1]) -%}
                {%- set value = json_text(group, name.split('.', 1)[1]) -%}
                {%- set data_type = 'varchar' -%}
            {%- elif name | lower in known and (system != 'pendo' or name == landing.id) -%}
                {%- set column = known[name | lower] -%}
                {%- set data_type = column.dtype | lower -%}
                {%- if data_type not in ['varchar', 'text', 'string', 'bigint', 'integer', 'int', 'double', 'float'] -%}
                    {{ exceptions.raise_compiler_error(place ~ system ~ ' ' ~ object ~ '.' ~ name ~ ' is a ' ~ data_type ~ '; a key is a text or a number') }}
                {%- endif -%}
                {%- set value = adapter.quote(column.name) -%}
            {%- else -%}
                {{ exceptions.raise_compiler_error(place ~ system ~ ' ' ~ object ~ ' has no landed field ' ~ name ~ '; correct it, or declare the field in models/staging/' ~ system ~ '/_' ~ system ~ '__sources.yml and load again') }}
            {%- endif -%}
            {%- if (system ~ '.' ~ object ~ '.' ~ name) | lower in written_properties() -%}
                {{ exceptions.raise_compiler_error(place ~ system ~ ' ' ~ object ~ '.' ~ name ~ ' is written by an activation: a key that we push would prove itself') }}
            {%- endif -%}
            {#- One field of a CRM may hold several addresses or domains, with semicolons between. -#}
            {%- do found.update({system ~ '.' ~ object ~ '.' ~ name ~ ' ' ~ row['normalisation']: {
                'system': system,
                'object': object,
                'name': name,
                'normalisation': row['normalisation'],
                'id': adapter.quote(landing.id),
                'relation': landing.relation,
                'value': value,
                'data_type': data_type,
                'is_list': system != 'pendo' and row['normalisation'] in ['email', 'domain'],
            }}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found.values() | list) }}
{%- endmacro %}

{#-
What two records share: one row per rule, pair and value, with the rule's rank among all and whether there is a better one between the two
systems. One join for each field on the left, so that the keys of a million records are read once; `keys` has the keys.
-#}
{% macro shared_keys(rules, keys) -%}
{%- if execute and load_relation(rules) is not none -%}
    {%- set rows = run_query('select * from ' ~ rules ~ ' order by priority, rule').rows -%}
{%- else -%}
    {%- set rows = [] -%}
{%- endif -%}
{%- set best = {} -%}
{%- set joins = {} -%}
{%- for row in rows -%}
    {%- set first = best.setdefault(row['left_system'] ~ ' ' ~ row['right_system'], row['priority']) -%}
    {%- set left_field_key = [row['left_system'], row['left_object'], row['left_field'], row['normalisation']] | join(' ') -%}
    {%- do joins.setdefault(left_field_key, []).append({
        'left_system': row['left_system'],
        'right_system': row['right_system'],
        'right_field_key': [row['right_system'], row['right_object'], row['right_field'], row['normalisation']] | join(' '),
        'rule': row['rule'] | replace("'", "''"),
        'rank': loop.index,
        'has_better': row['priority'] > first,
    }) -%}
{%- endfor -%}
{%- for left_field_key, named in joins.items() %}
    select
        '{{ named[0].left_system }}' as left_system,
        left_keys.object as left_object,
        left_keys.record_id as left_id,
        right_keys.right_system,
        right_keys.right_object,
        right_keys.right_id,
        right_keys.rule,
        right_keys.rule_rank,
        right_keys.has_better,
        left_keys.key_value
    from {{ keys }} as left_keys
    inner join (
        {%- for rule in named %}
        select
            '{{ rule.right_system }}' as right_system,
            object as right_object,
            record_id as right_id,
            '{{ rule.rule }}' as rule,
            {{ rule.rank }} as rule_rank,
            {{ rule.has_better | lower }} as has_better,
            key_value
        from {{ keys }}
        where field_key = '{{ rule.right_field_key }}'
        {{ "union all" if not loop.last }}
        {%- endfor %}
    ) as right_keys
        on left_keys.key_value = right_keys.key_value
    where left_keys.field_key = '{{ left_field_key }}'
    {{ "union all" if not loop.last }}
{%- else %}
    select
        cast(null as varchar) as left_system,
        cast(null as varchar) as left_object,
        cast(null as varchar) as left_id,
        cast(null as varchar) as right_system,
        cast(null as varchar) as right_object,
        cast(null as varchar) as right_id,
        cast(null as varchar) as rule,
        cast(null as integer) as rule_rank,
        cast(null as boolean) as has_better,
        cast(null as varchar) as key_value
    where false
{%- endfor -%}
{%- endmacro %}

{#- What the activations write, as the rules name it: system.object.field in lower case. Pendo is written to in its group `custom` only. -#}
{% macro written_properties() -%}
    {%- set written = [] -%}
    {%- for exposure in graph.exposures.values() -%}
        {%- set activation = exposure.config.meta.activation -%}
        {%- set group = 'custom.' if activation and activation.destination == 'pendo' else '' -%}
        {%- for id in exposure.depends_on.nodes if activation and id in graph.nodes -%}
            {%- for column in graph.nodes[id].columns.values() if column.config.meta.property -%}
                {%- do written.append((activation.destination ~ '.' ~ activation.object ~ '.' ~ group ~ column.config.meta.property) | lower) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(written) }}
{%- endmacro %}
