-- If false: one engine sends, finds or remembers another text than the other, and a move between them is a change of every record.
with

numbers as (

    select
        'number_text' as macro,
        {{ number_text('number') }} as found,
        expected
    from (
        values
        (cast(12 as double), '12'),
        (cast(-3 as double), '-3'),
        (cast(0 as double), '0'),
        (cast(100 as double), '100'),
        (cast(12.5 as double), '12.5'),
        (cast(0.001 as double), '0.001'),
        (cast(0.00012 as double), '0.00012'),
        (cast(0.1 as double), '0.1'),
        (cast(12345678 as double), '12345678'),
        (cast(98765432.5 as double), '98765432.5'),
        (cast(123456789012345 as double), '123456789012345')
    ) as given (number, expected)

),

texts as (

    select
        macro,
        case macro
            when 'json_string' then {{ json_string('written') }}
            when 'json_text' then {{ json_text('written', 'a.b') }}
            when 'text_uuid' then {{ text_uuid('written') }}
            when 'text_digest' then cast({{ text_digest('written') }} as string)
        end as found,
        expected
    from (
        values
        ('json_string', 'plain', '"plain"'),
        ('json_string', 'a "quote"', '"a ' || chr(92) || '"quote' || chr(92) || '""'),
        ('json_string', 'two' || chr(10) || 'lines', '"two' || chr(92) || 'nlines"'),
        ('json_string', 'とても良い', '"とても良い"'),
        -- A line's end of Unicode's, which no regular expression takes for a character.
        ('json_string', 'a{{ "\u2028" }}b', '"a{{ "\u2028" }}b"'),
        ('json_string', null, null),
        ('json_text', '{"a": {"b": "x"}}', 'x'),
        ('json_text', '{"a": {"b": 12}}', '12'),
        ('json_text', '{"a": {"b": null}}', null),
        ('json_text', '{"a": "x"}', null),
        ('text_uuid', 'abc', '90015098-3cd2-8fb0-8696-3f7d28e17f72'),
        ('text_digest', 'abc', '8250560606382298838'),
        ('text_digest', 'hubspot|contacts|1', '12708559823992047826')
    ) as given (macro, written, expected)

),

moments as (

    select
        'utc_iso_text' as macro,
        {{ utc_iso_text(whole_seconds(timestamp_from_millis('millis'))) }} || ' '
        || cast({{ date_in_zone(timestamp_from_millis('millis'), 'America/New_York') }} as string) as found,
        expected
    from (
        values
        -- New York's clocks went on from two to three on 8 March.
        (cast(1772953199999 as bigint), '2026-03-08T06:59:59Z 2026-03-08'),
        (cast(1772942399000 as bigint), '2026-03-08T03:59:59Z 2026-03-07'),
        (cast(1773025200000 as bigint), '2026-03-09T03:00:00Z 2026-03-08')
    ) as given (millis, expected)

)

select * from numbers
where found is distinct from expected
union all
select * from texts
where found is distinct from expected
union all
select * from moments
where found is distinct from expected
