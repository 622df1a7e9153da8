{#-
Where the records of each object are landed, by system.object: the source, and the column with the id. To match by tickets or a type of
your own, add its source here. A person account is read as its contact; what a rule says of accounts is said of organisations.
-#}
{% macro match_landings() -%}
    {{ return({
        'pendo.visitor': {'relation': source('pendo', 'visitors'), 'id': 'visitor_id'},
        'pendo.account': {'relation': source('pendo', 'accounts'), 'id': 'account_id'},
        'hubspot.contacts': {'relation': source('hubspot', 'contacts'), 'id': 'id'},
        'hubspot.companies': {'relation': source('hubspot', 'companies'), 'id': 'id'},
        'hubspot.deals': {'relation': source('hubspot', 'deals'), 'id': 'id'},
        'salesforce.Contact': {'relation': source('salesforce', 'contact'), 'id': 'Id'},
        'salesforce.Lead': {'relation': source('salesforce', 'lead'), 'id': 'Id'},
        'salesforce.Account': {'relation': source('salesforce', 'account'), 'id': 'Id'},
        'salesforce.Opportunity': {'relation': source('salesforce', 'opportunity'), 'id': 'Id'},
    }) }}
{%- endmacro %}
