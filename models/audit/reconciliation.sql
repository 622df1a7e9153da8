with

sent as (

    select * from {{ ref('int_sent') }}

)

select
    activation,
    run_id,
    count(*) as sent_count,
    count(*) filter (where status = 'as_sent') as as_sent_count,
    count(*) filter (where status = 'different') as different_count,
    count(*) filter (where status = 'not_landed') as not_landed_count,
    count(*) filter (where status = 'gone') as gone_count
from sent
group by all
