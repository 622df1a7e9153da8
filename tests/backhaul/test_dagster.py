"""The Dagster definitions of docs/nightly: their lineage, and a night of them. Needs the extra `dagster`."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from activators.written import read_runs
from backhaul import steps
from tests.conftest import ROOT, Loop, looping

dg = pytest.importorskip("dagster")
pytestmark = pytest.mark.timeout(1800)
VENDORS = {"hubspot", "salesforce", "pendo"}


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """A loop that nothing was done with yet."""
    with looping(tmp_path_factory.mktemp("dagster"), seed=5, visitors=60) as running:
        yield running


@pytest.fixture(scope="module")
def defs(loop: Loop) -> Iterator[Any]:
    """The definitions, read as Dagster reads them: in the project's folder, with settings from the environment."""
    folder = loop.settings.state.parent
    paths = {
        "BACKHAUL_WAREHOUSE": str(loop.settings.warehouse),
        "BACKHAUL_STATE": str(loop.settings.state),
        "DBT_TARGET_PATH": str(loop.settings.target),
        "DAGSTER_HOME": str(folder),
    }
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(ROOT)
        for name, value in {**loop.sandbox.settings, **paths}.items():
            patched.setenv(name, value)
        spec = importlib.util.spec_from_file_location("definitions", ROOT / "docs" / "nightly" / "definitions.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module.defs
        assert os.environ["BACKHAUL_WAREHOUSE"] == str(loop.settings.warehouse)


@pytest.fixture(scope="module")
def parents(defs: Any) -> Mapping[str, set[str]]:
    graph = defs.resolve_asset_graph()
    return {
        key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }


def ancestors(parents: Mapping[str, set[str]], name: str) -> set[str]:
    found: set[str] = set()
    ahead = {name}
    while ahead:
        ahead = {parent for one in ahead for parent in parents[one]} - found
        found |= ahead
    return found


def test_every_activation_comes_from_the_vendors_through_its_sync_model(
    loop: Loop, parents: Mapping[str, set[str]]
) -> None:
    declared = steps.activations(loop.settings)
    assert {f"crm/{item.name}" for item in declared} == {name for name in parents if name.startswith("crm/")}
    for activation in declared:
        before = ancestors(parents, f"crm/{activation.name}")
        assert f"activations/{activation.models[0].name}" in parents[f"crm/{activation.name}"]
        # What it writes comes from usage and from the CRM's own records, each read from a vendor and from nowhere else.
        sources = {name for name in before if not parents[name] and name.split("/")[0] in VENDORS}
        vendors = {name.split("/")[0] for name in sources}
        assert vendors >= {"pendo", activation.destination}
        # CRMs are told of usage, and Pendo of what the CRMs hold.
        if activation.destination == "pendo":
            assert vendors > {"pendo"}
        else:
            assert any(name.startswith("metrics/") for name in before)
    # A table of dbt's sources that no load makes would be a root that nothing lands.
    roots = {name.split("/")[0] for name in parents if not parents[name]}
    assert roots <= VENDORS | {"ledger", "decisions"}


def test_every_property_names_the_column_that_it_comes_from(loop: Loop, defs: Any) -> None:
    graph = defs.resolve_asset_graph()
    for activation in steps.activations(loop.settings):
        metadata = graph.get(dg.AssetKey(["crm", activation.name])).metadata
        lineage = metadata["dagster/column_lineage"].deps_by_column
        shown = {column.name for column in metadata["dagster/column_schema"].columns}
        assert shown == {item.name for item in activation.properties} == set(lineage)
        for item in activation.properties:
            (source,) = lineage[item.name]
            assert (source.asset_key.path[-1], source.column_name) == (activation.models[0].name, item.column)


def test_a_night_lands_builds_and_applies_everything(loop: Loop, defs: Any, parents: Mapping[str, set[str]]) -> None:
    job = defs.resolve_job_def("nightly")
    first = job.execute_in_process()
    assert first.success
    made = {event.asset_key.to_user_string() for event in first.get_asset_materialization_events()}
    assert made == set(parents)
    assert not list(read_runs(loop.settings.journal))
    assert all(evaluation.passed for evaluation in first.get_asset_check_evaluations())

    steps.provision(loop.settings, steps.activations(loop.settings))
    second = job.execute_in_process()
    applied = {
        event.asset_key.path[-1]: event.materialization.metadata
        for event in second.get_asset_materialization_events()
        if event.asset_key.path[0] == "crm"
    }
    # In so small a world no lead uses the product, and no account that does has an open opportunity.
    none = {name for name, figures in applied.items() if not figures["changes"].value}
    assert none == {"salesforce_leads", "salesforce_opportunities"}
    (run,) = read_runs(loop.settings.journal)
    assert run.confirmed == sum(figures["confirmed"].value for figures in applied.values())
    # What was written is in the warehouse already.
    assert loop.rows("select run_id from ledger.runs") == [(run.run_id,)]


def test_a_night_that_somebody_else_has_begun_is_one_line(loop: Loop, defs: Any) -> None:
    from backhaul.sync import alone  # noqa: PLC0415  heavy, as above

    with alone(loop.settings):
        result = defs.resolve_job_def("nightly").execute_in_process(raise_on_error=False)
    assert not result.success
    (failed, *_) = [event for event in result.all_events if event.is_step_failure]
    assert "another sync" in failed.step_failure_data.user_failure_data.description
