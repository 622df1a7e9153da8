with

matches as (

    select * from {{ ref('matches') }}
    where crm = 'hubspot' and object = 'companies'

),

account_metrics as (

    select * from {{ ref('fct_account_metrics') }}

)

select
    matches.record_id as company_id,
    account_metrics.first_visit_at,
    account_metrics.last_visit_at,
    account_metrics.active_days_last_30,
    account_metrics.active_days_last_90,
    account_metrics.active_days_last_180,
    account_metrics.minutes_last_30,
    account_metrics.minutes_last_90,
    account_metrics.minutes_last_180,
    account_metrics.usage_trend_percent_last_30,
    account_metrics.usage_trend_percent_last_90,
    account_metrics.usage_trend_percent_last_180,
    account_metrics.nps_score,
    account_metrics.poll_average,
    account_metrics.visitor_count
from matches
-- One to one: a match names one account and one record.
inner join account_metrics on matches.product_id = account_metrics.account_id
