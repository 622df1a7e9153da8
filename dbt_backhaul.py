"""What dbt loads by itself, as every module that begins with `dbt_`: on Spark, our session instead of a bare one.

dbt-spark takes the session that is open. Ours has the landing's tables and the functions that SQL lacks.
"""

from __future__ import annotations

import os
from pathlib import Path

from dbt.flags import get_flags
from dbt.plugins.manager import dbtPlugin


class Backhaul(dbtPlugin):
    """Opens the session before dbt does."""

    def initialize(self) -> None:
        """Open it, when the target is Spark."""
        if get_flags().TARGET == "spark":
            from backhaul.spark import open_session  # noqa: PLC0415  an extra that may not be installed

            open_session(Path(os.environ.get("BACKHAUL_WAREHOUSE", "warehouse.lake")))


plugins = [Backhaul]
