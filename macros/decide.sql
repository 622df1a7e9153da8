{#-
The decision on each difference, and why. `differences` and `properties` name two CTEs: the rows of a diff model, and those of
`int_crm_properties` for one object. Yields the CTEs `reasoned` and `decided`.

The order is the policy: what cannot be written at all, then what must not be cleared or is somebody else's, then what the property cannot
hold, and at last what a person edited and what the CRM has refused before: the same value is not sent again until the property changes or `backhaul plan --retry-rejected` asks for it.
-#}
{% macro decide(differences, properties) -%}
reasoned as (

    select
        {{ differences }}.*,
        case
            when {{ properties }}.property is null then 'missing_property'
            when {{ properties }}.is_read_only then 'read_only'
            when {{ properties }}.family is distinct from {{ differences }}.family then 'wrong_type'
            when {{ differences }}.has_left and {{ differences }}.exit_policy = 'keep' then 'exit_keeps'
            when
                {{ differences }}.desired_value is null
                and {{ differences }}.null_policy = 'keep'
                and not coalesce({{ differences }}.has_left, false) then 'null_keeps'
            when
                {{ differences }}.write_policy = 'fill_empty'
                and not coalesce({{ differences }}.has_left, false)
                and nullif({{ differences }}.current_value, '') is not null then 'already_filled'
            when {{ differences }}.is_edited_since and {{ differences }}.conflict_policy = 'keep' then 'theirs_wins'
            when length({{ differences }}.desired_value) > {{ properties }}.max_length then 'too_long'
            when
                {{ differences }}.family = 'number'
                and abs(try_cast({{ differences }}.desired_value as double)) >= power(10, {{ properties }}.integer_digits) then 'too_large'
            when
                {{ differences }}.desired_value is not null
                and not {{ json_array_contains(properties ~ '.options', differences ~ '.desired_value') }} then 'not_an_option'
            when {{ differences }}.is_edited_since and {{ differences }}.conflict_policy = 'hold' then 'edited_in_crm'
            when
                {{ differences }}.was_rejected
                and {{ differences }}.rejected_fingerprint is not distinct from {{ properties }}.fingerprint then 'rejected_before'
            when {{ differences }}.has_left then 'exit_clears'
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
        coalesce(has_left, false) as has_left,
        case
            when reason in ('missing_property', 'read_only', 'wrong_type', 'too_long', 'too_large', 'not_an_option') then 'invalid'
            when reason in ('exit_keeps', 'null_keeps', 'already_filled', 'theirs_wins') then 'keep'
            when reason in ('edited_in_crm', 'rejected_before') then 'hold'
            else 'send'
        end as decision,
        reason
    from reasoned

)
{%- endmacro %}
