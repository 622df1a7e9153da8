"""Apache Spark in this process: the engine of dbt's target `spark`, over the lakehouse that the loads fill."""

from __future__ import annotations

from backhaul.spark.session import open_session

__all__ = ["open_session"]
