"""What dbt loads by itself, as every module that begins with `dbt_`: less garbage collection, and on Spark our session.

dbt-spark takes the session that is open. Ours has the landing's tables and the functions that SQL lacks.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path

from dbt.flags import get_flags
from dbt.plugins.manager import dbtPlugin

from activators.lake import is_lake


class Backhaul(dbtPlugin):
    """Opens the session before dbt does."""

    def initialize(self) -> None:
        """Open it, when the warehouse is a lakehouse. What it raises stops dbt with that message."""
        warehouse = Path(os.environ.get("BACKHAUL_WAREHOUSE", "warehouse.duckdb"))
        target = get_flags().TARGET
        if target == "spark" and not is_lake(warehouse):
            raise ValueError(
                f"target spark: {warehouse} is no lakehouse; set BACKHAUL_WAREHOUSE to a name that ends in .lake"
            )
        if is_lake(warehouse) and target in {None, "spark"}:
            from backhaul.spark import open_session  # noqa: PLC0415  an extra, and seconds to import

            open_session(warehouse)


# What dbt makes, it keeps until it ends: some 400,000 objects in a night. To look through them every 700 takes up to a
# tenth of its time, and every 50,000 a thirtieth.
gc.set_threshold(500_000, 20, 20)

plugins = [Backhaul]
