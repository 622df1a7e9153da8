"""A lakehouse in DuckDB's place, as far as it can be told without Spark; tests/spark has the rest."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from rich.console import Console

from activators.errors import PlanError
from backhaul import steps
from backhaul.demo import DemoError, run_demo
from backhaul.settings import Settings


def test_a_name_that_ends_in_lake_is_a_lakehouse_and_dlt_lands_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKHAUL_WAREHOUSE", "usage.lake")
    settings = Settings()
    assert settings.on_spark
    assert settings.load_settings().warehouse == Path("usage.lake/landing.duckdb")
    monkeypatch.setenv("BACKHAUL_WAREHOUSE", "usage.duckdb")
    settings = Settings()
    assert not settings.on_spark
    assert settings.load_settings().warehouse == Path("usage.duckdb")


@pytest.mark.skipif(find_spec("pyspark") is not None, reason="the extra is there: tests/spark loads with it")
def test_what_a_lakehouse_needs_is_asked_for_before_anything_is_loaded(tmp_path: Path) -> None:
    lake = tmp_path / "warehouse.lake"
    with pytest.raises(PlanError, match=r"a lakehouse needs pyspark and deltalake; pip install 'backhaul\[spark\]'"):
        steps.load(Settings.model_construct(warehouse=lake), ["hubspot"], lambda *_: None)
    assert not lake.exists()


def test_the_demo_is_for_duckdb(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r"the demo is for DuckDB; run it with BACKHAUL_WAREHOUSE=demo\.duckdb"):
        run_demo(Settings.model_construct(warehouse=tmp_path / "warehouse.lake", state=tmp_path / "state"), Console())
