"""Apache Spark in this process: the engine of dbt's target `spark`, over the lakehouse that the loads fill."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from activators.errors import PlanError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["open_session", "refuse_without_spark"]


def refuse_without_spark(lake: Path) -> None:
    """Raise PlanError where what a lakehouse needs is not installed. Asks before anything is loaded or built."""
    missing = [name for name in ("pyspark", "deltalake") if find_spec(name) is None]
    if missing:
        raise PlanError(
            f"{lake}: a lakehouse needs {' and '.join(missing)}; pip install 'backhaul[spark]', in a clone "
            "pip install -e '.[spark]'; or name a DuckDB file in BACKHAUL_WAREHOUSE"
        )
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        raise PlanError(f"{lake}: Spark needs Java 17 or later; install a runtime, such as openjdk-17-jre-headless")


def open_session(lake: Path) -> SparkSession:
    """Open the process's session on a lakehouse, or give the one that is open, with what has landed since."""
    refuse_without_spark(lake)
    from backhaul.spark.session import open_session as opened  # noqa: PLC0415  the extra

    return opened(lake)
