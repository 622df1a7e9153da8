{#-
Stops the build, inside its transaction, where a record has two matches: nothing of the new table is seen, and the one of the last build
stays. Numbers stand for the sides, as texts take several times as long; two sides of one number would stop a build, and let no second
match through: of a million matches there are such two in one of 9 million builds.
-#}
{% macro refuse_second_matches(pairs) -%}
select
    case
        when
            count(*) > count(distinct {{ hash64(['left_system', 'right_system', 'left_object', 'left_id']) }})
            or count(*) > count(distinct {{ hash64(['left_system', 'right_system', 'right_object', 'right_id']) }})
            then {{ raised('a record has two matches: ' ~ pairs.identifier ~ ' is not one to one, and stays as it was; what has changed in the model?') }}
    end
from {{ pairs }}
where left_count = 1 and right_count = 1 and not is_superseded
{%- endmacro %}
