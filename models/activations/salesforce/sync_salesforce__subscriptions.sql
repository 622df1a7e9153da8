with

subscriptions as (

    select * from {{ ref('stg_salesforce__subscriptions') }}
    where not is_deleted

),

matches as (

    select * from {{ ref('matches') }}
    where crm = 'salesforce' and object = 'Account'

),

account_metrics as (

    select * from {{ ref('fct_account_metrics') }}

)

select
    subscriptions.subscription_id,
    account_metrics.last_visit_at,
    account_metrics.active_days_last_30,
    account_metrics.usage_trend_percent_last_30,
    account_metrics.nps_score
from subscriptions
-- At most one match: a record is matched with one account of the product. Several subscriptions may be of one account.
inner join matches on subscriptions.account_id = matches.record_id
inner join account_metrics on matches.product_id = account_metrics.account_id
