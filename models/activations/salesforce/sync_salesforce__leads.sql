with

matches as (

    -- A visitor who is a contact, too, is matched with that; a converted lead with the contact that it became.
    select * from {{ ref('matches') }}
    where crm = 'salesforce' and object = 'Lead'

),

visitor_metrics as (

    select * from {{ ref('fct_visitor_metrics') }}

)

select
    matches.record_id as lead_id,
    visitor_metrics.first_visit_at,
    visitor_metrics.last_visit_at,
    visitor_metrics.active_days_last_30,
    visitor_metrics.minutes_last_30
from matches
-- One to one: a match names one visitor and one record.
inner join visitor_metrics on matches.product_id = visitor_metrics.visitor_id
