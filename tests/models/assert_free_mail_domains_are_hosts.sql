-- A remark or an address among the domains would keep nobody's mail out, and nobody would see it.
with

domains as (

    select
        domain,
        {{ normalized('domain', 'domain') }} as host
    from {{ ref('free_mail_domains') }}

)

select * from domains
where host is null or not {{ regexp_found('host', '^[a-z0-9-]+([.][a-z0-9-]+)+$') }}
