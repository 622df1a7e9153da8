with

hubspot_usage as (

    select * from {{ ref('stg_hubspot__api_usage') }}
    where limit_name = 'private-apps-api-calls-daily'

),

salesforce_limits as (

    select * from {{ ref('stg_salesforce__limits') }}
    where limit_name = 'DailyApiRequests'

),

quotas as (

    select
        'hubspot' as crm,
        call_limit as daily_calls,
        call_limit - call_count as remaining_calls
    from hubspot_usage

    union all

    select
        'salesforce' as crm,
        call_limit as daily_calls,
        remaining_count as remaining_calls
    from salesforce_limits

)

select * from quotas
