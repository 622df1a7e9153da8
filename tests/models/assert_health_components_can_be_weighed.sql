-- If false: a component gives no points at all, or takes points from an account that does well,
-- and the score of every account is another than the seed seems to say.
select component, weight, full_at
from {{ ref('health_components') }}
where weight < 0 or full_at <= 0
