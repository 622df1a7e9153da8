with

matches as (

    select * from {{ ref('matches') }}
    where crm = 'hubspot' and object = 'contacts'

),

visitor_metrics as (

    select * from {{ ref('fct_visitor_metrics') }}

)

select
    matches.record_id as contact_id,
    visitor_metrics.first_visit_at,
    visitor_metrics.last_visit_at,
    visitor_metrics.active_days_last_30,
    visitor_metrics.active_days_last_90,
    visitor_metrics.active_days_last_180,
    visitor_metrics.minutes_last_30,
    visitor_metrics.minutes_last_90,
    visitor_metrics.minutes_last_180,
    visitor_metrics.usage_trend_percent_last_30,
    visitor_metrics.usage_trend_percent_last_90,
    visitor_metrics.usage_trend_percent_last_180,
    visitor_metrics.latest_nps_rating,
    visitor_metrics.latest_poll_response
from matches
-- One to one: a match names one visitor and one record.
inner join visitor_metrics on matches.product_id = visitor_metrics.visitor_id
