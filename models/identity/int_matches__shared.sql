-- depends_on: {{ ref('match_rules') }}
with

shared as (

    {{ shared_keys(ref('match_rules'), ref('int_records__gone'), ref('free_mail_domains')) }}

)

select * from shared
