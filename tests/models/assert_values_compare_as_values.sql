-- If false: values that are the same are sent again every night, or values that differ are never sent.
with

cases as (

    select * from (
        values
        ('number', '12', '12.0', true),
        ('number', '12', '12.7', false),
        ('number', '1e3', '1000', true),
        ('number', '0', '', false),
        ('number', 'many', null, false),
        ('number', 'many', 'few', false),
        ('number', 'many', 'many', true),
        ('number', '1e30', '2e30', false),
        ('number', '1e30', '1e30', true),
        ('number', '1e-10', '2e-10', false),
        ('number', '9007199254740993', '9007199254740992', false),
        ('date', 'soon', 'later', false),
        ('boolean', 'true', 'TRUE', true),
        ('boolean', 'false', null, false),
        ('date', '2026-03-20', '1773964800000', true),
        ('date', '2026-03-20', '2026-03-20T00:00:00.000Z', true),
        ('date', '2026-03-20', '2026-03-21', false),
        ('datetime', '2026-03-20T09:00:00Z', '2026-03-20T09:00:00.000+0000', true),
        ('datetime', '2026-03-20T09:00:00Z', '1773997200000', true),
        ('datetime', '2026-03-20T09:00:00Z', '2026-03-20T09:00:01Z', false),
        -- Microseconds and more digits still: a moment of no calendar.
        ('datetime', '2026-03-20T09:00:00Z', '1773997200000000', false),
        ('datetime', '1773144000250000000', '1773144000250000000', true),
        ('datetime', '1773144000250000000', '1773144000250000001', false),
        ('date', '2026-03-20', '-9223372036854775808', false),
        ('date', '9999-12-31', '253402300799999', true),
        ('string', '12', '12.0', false),
        ('string', 'a', 'A', false),
        ('string', '', null, true),
        ('string', ' ', null, false)
    ) as cases (family, left_text, right_text, is_same)

),

compared as (

    select
        *,
        case family
            when 'number' then {{ differs('left_text', 'right_text', 'number') }}
            when 'boolean' then {{ differs('left_text', 'right_text', 'boolean') }}
            when 'date' then {{ differs('left_text', 'right_text', 'date') }}
            when 'datetime' then {{ differs('left_text', 'right_text', 'datetime') }}
            when 'string' then {{ differs('left_text', 'right_text', 'string') }}
        end as is_different
    from cases

)

select * from compared
where is_different = is_same or is_different is null
