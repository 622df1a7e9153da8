-- depends_on: {{ ref('match_rules') }}
with

shared as (

    {{ shared_keys(ref('match_rules'), ref('int_keys')) }}

)

select * from shared
