-- Days that never landed look like days without usage: every customer would seem to fade.
-- So today is at most the day of the last landing, and a window with its previous one
-- fits in the 400 days that the first load reads. There is no today before the first.
select *
from {{ ref('dim_windows') }} as windows
where
    windows.as_of is null
    or windows.landed_on is null
    or windows.as_of > windows.landed_on
    or 2 * windows.window_days > 400
