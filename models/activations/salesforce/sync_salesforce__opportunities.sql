with

opportunities as (

    select * from {{ ref('stg_salesforce__opportunities') }}
    where not is_deleted and not is_closed

),

matches as (

    select * from {{ ref('matches') }}
    where crm = 'salesforce' and object = 'Account'

),

account_metrics as (

    select * from {{ ref('fct_account_metrics') }}

)

select
    opportunities.opportunity_id,
    account_metrics.last_visit_at,
    account_metrics.active_days_last_30,
    account_metrics.usage_trend_percent_last_30,
    account_metrics.nps_score
from opportunities
-- At most one match: a record is matched with one account of the product. Several opportunities may be of one account.
inner join matches on opportunities.account_id = matches.record_id
inner join account_metrics on matches.product_id = account_metrics.account_id
