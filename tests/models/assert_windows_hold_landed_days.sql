-- Days that never landed look like days without usage: every customer would seem to fade.
-- So today is at most the day of the last landing, and a window with its previous one
-- fits in the 400 days that the first load reads. There is no today before the first.
select windows.*
from {{ ref('dim_windows') }} as windows
cross join (

    select max(read_on) as landed_on
    from {{ ref('stg_pendo__reads') }}
    where object = 'events'

) as landing
where
    windows.as_of is null
    or windows.as_of > landing.landed_on
    or 2 * windows.window_days > 400
