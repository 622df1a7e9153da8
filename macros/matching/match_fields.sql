{#-
The fields that the rules name, each once with each normalisation, and how to read it; by what match_field calls them. Raises an error
that names the rule.
-#}
{% macro match_fields(rules) -%}
    {%- set landings = match_landings() -%}
    {%- set rows = match_rows(rules) -%}
    {#- There is no graph to read while dbt parses. -#}
    {%- set written = written_properties() if rows else [] -%}
    {%- set found = {} -%}
    {%- set columns = {} -%}
    {%- for row in rows -%}
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
                {{ exceptions.raise_compiler_error(place ~ system ~ ' ' ~ object ~ ' is not among the landings of macros/matching/match_landings.sql (' ~ landings | join(', ') ~ '); add it there') }}
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
                {%- set data_type = 'string' -%}
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
            {%- if (system ~ '.' ~ object ~ '.' ~ name) | lower in written -%}
                {{ exceptions.raise_compiler_error(place ~ system ~ ' ' ~ object ~ '.' ~ name ~ ' is written by an activation: a key that we push would prove itself') }}
            {%- endif -%}
            {#- One field of a CRM may hold several addresses or domains, with semicolons between. -#}
            {%- do found.update({match_field(row, side): {
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
    {{ return(found) }}
{%- endmacro %}

{#- The rules in their order; none while dbt parses, or before the seed is there. -#}
{% macro match_rows(rules) -%}
    {%- if not execute or load_relation(rules) is none -%}
        {{ return([]) }}
    {%- endif -%}
    {{ return(run_query('select * from ' ~ rules ~ ' order by priority, rule').rows) }}
{%- endmacro %}

{#- What the left or right field of a rule is called among match_fields. -#}
{% macro match_field(rule, side) -%}
    {{ return(rule[side ~ '_system'] ~ '.' ~ rule[side ~ '_object'] ~ '.' ~ rule[side ~ '_field'] ~ ' ' ~ rule['normalisation']) }}
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
