{#-
The decision on each difference, and why. `differences` and `properties` name two CTEs: the rows of a diff model, and those of
`int_crm_properties` for one object. Yields the CTEs `reasoned` and `decided`.

The order is the policy: what cannot be written, then what must not be cleared, then what somebody else owns.
-#}
{% macro decide(differences, properties) -%}
reasoned as (

    select
        {{ differences }}.*,
        case
            when {{ properties }}.property is null then 'missing_property'
            when {{ properties }}.is_read_only then 'read_only'
            when {{ properties }}.family is distinct from {{ differences }}.family then 'wrong_type'
            when {{ differences }}.desired_value is null and {{ differences }}.null_policy = 'keep' then 'null_keeps'
            when
                {{ differences }}.write_policy = 'fill_empty'
                and nullif({{ differences }}.current_value, '') is not null then 'already_filled'
            when {{ differences }}.is_edited_since and {{ differences }}.conflict_policy = 'keep' then 'theirs_wins'
            when length({{ differences }}.desired_value) > {{ properties }}.max_length then 'too_long'
            when
                {{ differences }}.desired_value is not null
                and not {{ json_array_contains(properties ~ '.options', differences ~ '.desired_value') }} then 'not_an_option'
            when {{ differences }}.is_edited_since and {{ differences }}.conflict_policy = 'hold' then 'edited_in_crm'
            else 'differs'
        end as reason
    from {{ differences }}
    -- At most one: a property's name is unique in its object.
    left join {{ properties }} on lower({{ differences }}.property) = lower({{ properties }}.property)

),

decided as (

    select
        record_id,
        property,
        current_value,
        desired_value,
        last_sent_value,
        family,
        case
            when reason in ('missing_property', 'read_only', 'wrong_type', 'too_long', 'not_an_option') then 'invalid'
            when reason in ('null_keeps', 'already_filled', 'theirs_wins') then 'keep'
            when reason = 'edited_in_crm' then 'hold'
            else 'send'
        end as decision,
        reason
    from reasoned

)
{%- endmacro %}
