{#-
One row per occurrence that no run has sent yet, with what would be sent. Mechanical: the properties come from the sync model's YAML,
which of them an event carries from the seed. An occurrence never changes, so one that the CRM has confirmed is done with; one whose
answer is unknown is sent again, which its uuid makes harmless.
-#}
{% macro event_diff(sync, chosen, writes, rejections) -%}
{%- if execute -%}
{%- set model = sync_model(sync) -%}
{%- set activation = activation_of(model) -%}
{%- set own = [activation.key, 'event_name', 'record_id', 'email', 'occurred_at'] -%}
{%- set sent = [] -%}
{%- for column in model.columns.values() if column.config.meta.property -%}
    {%- do sent.append({
        'column': column.name,
        'property': column.config.meta.property,
        'family': column_family(column.data_type),
        'is_own': column.name in own,
    }) -%}
{%- endfor -%}
with

-- One row per event: several things may be chosen for one.
carried as (

    select
        event_name
        {%- for item in sent if not item.is_own %},
        bool_or(contains(' ' || properties || ' ', ' {{ item.column }} ')) as has_{{ item.column }}
        {%- endfor %}
    from {{ chosen }}
    group by event_name

),

-- What there is to say, as text; null where the event does not carry it.
said as (

    select
        desired.{{ activation.key }} as occurrence_id,
        desired.event_name as event,
        desired.record_id as crm_record_id,
        nullif(desired.email, '') as address,
        {{ as_text('desired.occurred_at', 'datetime') | trim }} as moment
        {%- for item in sent %},
        {% if item.is_own -%}
        {{ as_text('desired.' ~ item.column, item.family) | trim }}
        {%- else -%}
        case when carried.has_{{ item.column }} then {{ as_text('desired.' ~ item.column, item.family) | trim }} end
        {%- endif %} as said_{{ loop.index }}
        {%- endfor %}
    from {{ sync }} as desired
    -- One row: grouped by the event's name.
    inner join carried on desired.event_name = carried.event_name

),

occurrences as (

    select
        occurrence_id as record_id,
        event as property,
        crm_record_id,
        case when crm_record_id is null then address end as email,
        concat(
            '{"record":', coalesce({{ json_string('crm_record_id') }}, 'null'),
            ',"email":', coalesce(case when crm_record_id is null then {{ json_string('address') }} end, 'null'),
            ',"occurred_at":', {{ json_string('moment') }},
            ',"properties":{',
            concat_ws(
                ','
                {%- for item in sent %},
                '"{{ item.property }}":' || {{ 'said_' ~ loop.index if item.family in ['number', 'boolean'] else json_string('said_' ~ loop.index) }}
                {%- endfor %}
            ),
            '}}'
        ) as desired_value,
        concat_ws(
            ' '
            {%- for item in sent %},
            case when said_{{ loop.index }} is not null then '{{ item.property }}:{{ item.family }}' end
            {%- endfor %}
        ) as carried,
        greatest(
            0
            {%- for item in sent if item.family == 'string' and not item.is_own %},
            coalesce(length(said_{{ sent.index(item) + 1 }}), 0)
            {%- endfor %}
        ) as longest_text
    from said

)

select
    occurrences.record_id,
    occurrences.property,
    'event' as family,
    cast(null as string) as current_value,
    occurrences.desired_value,
    occurrences.crm_record_id,
    occurrences.email,
    occurrences.carried,
    occurrences.longest_text,
    {{ 'true' if activation.create_contacts else 'false' }} as may_create,
    rejected.run_id is not null
    and rejected.after_value is not distinct from occurrences.desired_value as was_rejected
from occurrences
-- At most one row of either: both are keyed by record and property.
left join {{ writes }} as written
    on
        occurrences.record_id = written.record_id
        and occurrences.property = written.property
        and written.destination = '{{ activation.destination }}' and written.object = '{{ activation.object }}'
left join {{ rejections }} as rejected
    on
        occurrences.record_id = rejected.record_id
        and occurrences.property = rejected.property
        and rejected.destination = '{{ activation.destination }}' and rejected.object = '{{ activation.object }}'
where written.record_id is null
{%- endif -%}
{%- endmacro %}

{#-
The decision on each occurrence, and why. `differences` names a CTE with the rows of a diff model, `longest` is how many characters a
property of an event holds. `definitions` names one with the rows of `int_crm_events` for one CRM: what is not in them cannot be sent, as
HubSpot refuses an event that it does not know, and takes a property that it does not know without a word and without its value. Without
`definitions` nothing is asked of them. Yields the CTEs `reasoned` and `decided`.
-#}
{% macro decide_on_events(differences, longest, definitions=none) -%}
{%- if definitions %}
-- Few: what the occurrences of one event carry is nearly always the same.
kinds as (

    select distinct
        property as event,
        carried
    from {{ differences }}

),

said as (

    select
        event,
        carried,
        {{ unnest_split('carried', ' ') }} as one
    from kinds
    where carried <> ''

),

defined as (

    select distinct event from {{ definitions }}

),

-- One row per kind of occurrence that carries something which its definition does not take.
unfit as (

    select
        said.event,
        said.carried,
        bool_or(definitions.property is null) as lacks_property
    from said
    -- At most one: a property's name is unique in its event.
    left join {{ definitions }} as definitions
        on said.event = definitions.event and split_part(said.one, ':', 1) = definitions.property
    where
        definitions.property is null
        or (
            definitions.family is distinct from 'string'
            and definitions.family is distinct from split_part(said.one, ':', 2)
        )
    group by said.event, said.carried

),
{% endif %}
reasoned as (

    select
        {{ differences }}.*,
        case
            {%- if definitions %}
            when defined.event is null then 'missing_definition'
            when unfit.lacks_property then 'missing_property'
            when unfit.event is not null then 'wrong_type'
            {%- endif %}
            when crm_record_id is null and (email is null or not may_create) then 'unmatched'
            when longest_text > {{ longest }} then 'too_long'
            when was_rejected then 'rejected_before'
            else 'happened'
        end as reason
    from {{ differences }}
    {%- if definitions %}
    -- At most one row of either.
    left join defined on {{ differences }}.property = defined.event
    left join unfit on {{ differences }}.property = unfit.event and {{ differences }}.carried = unfit.carried
    {%- endif %}

),

decided as (

    select
        record_id,
        property,
        current_value,
        desired_value,
        family,
        false as has_left,
        case
            when reason = 'unmatched' then 'keep'
            when reason in ('missing_definition', 'missing_property', 'wrong_type', 'too_long') then 'invalid'
            when reason = 'rejected_before' then 'hold'
            else 'send'
        end as decision,
        reason
    from reasoned

)
{%- endmacro %}
