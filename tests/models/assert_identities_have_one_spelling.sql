-- A person whose address is written in two ways would be two people, and two companies with one spelling would be one.
with

cases as (

    select
        normalisation,
        written,
        expected
    from (
        values
        ('email', ' Ada@Example.COM ', 'ada@example.com'),
        ('email', 'ａｄａ＠ｅｘａｍｐｌｅ．ｃｏｍ', 'ada@example.com'),
        ('email', 'ada﹫example.com', 'ada@example.com'),
        ('email', chr(9) || 'ada@example.com' || chr(160), 'ada@example.com'),
        -- Its accent is a character of its own.
        ('email', 'amélie@example.com', 'amélie@example.com'),
        ('email', 'ﬁona@example.com', 'fiona@example.com'),
        ('email', 'ada+news@example.com', 'ada+news@example.com'),
        ('email', 'info@BÜCHER.example', 'info@xn--bcher-kva.example'),
        ('email', 'info@XN--bcher-KVA.example', 'info@xn--bcher-kva.example'),
        ('email', 'a@straße.example', 'a@xn--strae-oqa.example'),
        ('email', 'a@例え.テスト', 'a@xn--r8jz45g.xn--zckzah'),
        ('domain', 'https://www.Acme.co.uk/pricing?x=1', 'acme.co.uk'),
        ('domain', 'HTTP://WWW.bücher.example:8080/', 'xn--bcher-kva.example'),
        ('domain', ' acme.com. ', 'acme.com'),
        ('domain', '  ', null),
        ('salesforce_id', '0035g00000AbCdE', '0035g00000AbCdEAAV'),
        ('salesforce_id', ' 0035g00000AbCdEAAV ', '0035g00000AbCdEAAV'),
        ('salesforce_id', '0035g00000abcdeAAV', null),
        ('salesforce_id', 'acme-0001', null),
        ('exact', ' Acme-0001 ', 'Acme-0001'),
        ('exact', '', null)
    ) as given (normalisation, written, expected)

),

spelt as (

    select
        *,
        case normalisation
            when 'email' then {{ normalized('written', 'email') }}
            when 'domain' then {{ normalized('written', 'domain') }}
            when 'salesforce_id' then {{ normalized('written', 'salesforce_id') }}
            else {{ normalized('written', 'exact') }}
        end as found
    from cases

),

numbers as (

    select
        'exact' as normalisation,
        cast(number as string) as written,
        expected,
        {{ normalized('number', 'exact', 'double') }} as found
    from (values (cast(12 as double), '12'), (cast(12.5 as double), '12.5')) as given (number, expected)

)

select * from spelt
where found is distinct from expected
union all
select * from numbers
where found is distinct from expected
