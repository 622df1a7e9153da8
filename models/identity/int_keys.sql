-- depends_on: {{ ref('match_rules') }}
with

keys as (

    {{ match_keys(ref('match_rules'), ref('int_records__gone'), ref('free_mail_domains')) }}

)

select * from keys
