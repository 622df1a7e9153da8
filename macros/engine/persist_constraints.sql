{#-
A contract's constraints, where the engine keeps none: Spark knows them of Delta tables alone. The table that was made is asked instead, in
one query, and a row that breaks one stops the build before anything is made of it.
-#}
{% macro spark__persist_constraints(relation, model) -%}
    {%- set rules = [] -%}
    {%- for column in model.columns.values() -%}
        {%- for constraint in column.constraints -%}
            {%- if constraint.type in ['not_null', 'primary_key'] -%}
                {%- do rules.append((column.name ~ ' is null', column.name ~ ' is not null')) -%}
            {%- endif -%}
            {%- if constraint.type == 'check' -%}
                {%- do rules.append(('not (' ~ constraint.expression ~ ')', constraint.expression)) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for constraint in model.constraints if constraint.type == 'check' -%}
        {%- do rules.append(('not (' ~ constraint.expression ~ ')', constraint.expression)) -%}
    {%- endfor -%}
    {%- set keys = [] -%}
    {%- for column in model.columns.values() if column.constraints | selectattr('type', 'in', ['primary_key', 'unique']) | list -%}
        {%- do keys.append([column.name]) -%}
    {%- endfor -%}
    {%- for constraint in model.constraints if constraint.type in ['primary_key', 'unique'] -%}
        {%- do keys.append(constraint.columns) -%}
    {%- endfor -%}
    {%- if rules or keys -%}
        {%- set query -%}
            select
                {%- for broken, _ in rules %}
                count(*) filter (where {{ broken }}) as rule_{{ loop.index }},
                {%- endfor %}
                {%- for key in keys %}
                count({{ key | join(', ') }}) - count(distinct {{ key | join(', ') }}) as key_{{ loop.index }},
                {%- endfor %}
                0 as nothing
            from {{ relation }}
        {%- endset -%}
        {%- set found = run_query(query).rows[0] -%}
        {%- set told = rules | map(attribute=1) | list -%}
        {%- for key in keys -%}{%- do told.append(key | join(', ') ~ ' is unique') -%}{%- endfor -%}
        {%- for rule in told -%}
            {%- if found[loop.index0] > 0 -%}
                {{ exceptions.raise_compiler_error(model.original_file_path ~ ': ' ~ found[loop.index0] ~ ' rows of ' ~ relation ~ ' break its constraint: ' ~ rule) }}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
