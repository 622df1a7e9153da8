"""Two versions of the project in one warehouse: what differs is counted exactly, and nothing is left behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from activators.activation import Guards
from activators.errors import PlanError, Stopped
from activators.plan import ActivationPlan
from backhaul import steps
from backhaul.compare import ActivationDifference, CompareError, Comparison, building, compare
from backhaul.compare.keys import Key, declared_keys
from backhaul.compare.markdown import markdown
from backhaul.compare.report import comparison, comparison_json
from backhaul.compare.selection import affected
from backhaul.compare.tables import Mover, TableDifference, Transition, compare_tables
from backhaul.compare.versions import Version
from backhaul.settings import Settings
from tests.conftest import ROOT, Loop, transforming, work_on_after_a_swallowed

PROJECT = ("models", "macros", "seeds", "dbt_project.yml", "profiles.yml")
WINDOWED = "macros/metrics/window_metrics.sql"
MINUTES = "minutes_{{ days }} as minutes_last_{{ days }}"
# Fewer than five minutes count as none.
FLOORED = (
    f"case when minutes_{{{{ days }}}} >= 5 then minutes_{{{{ days }}}} else 0 end as {MINUTES.partition(' as ')[2]}"
)


def git(folder: Path, *arguments: str) -> str:
    """Run git, as nobody's configuration would have it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    author = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.com")
    command = ["git", "-C", str(folder), *author, *arguments]
    return subprocess.run(command, env=clean | nobody, capture_output=True, text=True, check=True).stdout.strip()


@dataclass(frozen=True, slots=True)
class Clone:
    """A clone of the project with one commit, main, and a warehouse that was built from it."""

    root: Path
    settings: Settings

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a file of the working tree, in one place."""
        file = self.root / name
        assert file.read_text().count(old) == 1
        file.write_text(file.read_text().replace(old, new))

    def compare(
        self, ref: str = "main", each: Callable[[int, int], None] = lambda *_: None, **options: bool
    ) -> Comparison:
        """Compare the working tree with a commit. `each` is called for every node that is built."""
        return compare(self.settings, self.root, ref, lambda _name: each, pytest.fail, **options)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        with duckdb.connect(str(self.settings.warehouse), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def contents(self) -> Mapping[tuple[str, str], object]:
        """The number of rows of each table, and a digest of them."""
        names = self.rows("select schema_name, table_name from duckdb_tables()")
        digests = (
            f'(select (count(*), bit_xor(hash(rows))) from "{schema}"."{name}" as rows)' for schema, name in names
        )
        return dict(zip(names, self.rows(f"select {', '.join(digests)}")[0], strict=True))

    def schemas(self) -> set[str]:
        """The schemas that a comparison has left."""
        return {
            name for (name,) in self.rows("select schema_name from duckdb_schemas()") if name.startswith("compare_")
        }


@pytest.fixture(scope="module")
def whole(built: Loop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clone, its warehouse and what dbt knows of it. Tests copy it."""
    folder = tmp_path_factory.mktemp("compare")
    root = folder / "project"
    root.mkdir()
    for name in PROJECT:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, root / name)
    git(root, "init", "--quiet", "--initial-branch", "main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "The project")
    shutil.copy(built.settings.warehouse, folder / "warehouse.duckdb")
    # As if the CRMs had every property already, so that values would be sent.
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.executemany(
            "insert into plans.int_crm_properties (crm, object, property, type, family, is_read_only, fingerprint) "
            "values (?, ?, ?, ?, ?, false, '')",
            [
                (one.destination, one.object, item.name, item.type.family, item.type.family)
                for one in steps.activations(built.settings)
                for item in one.properties
            ],
        )
    return folder


@pytest.fixture
def clone(whole: Path, built: Loop, tmp_path: Path) -> Clone:
    """A clone and a warehouse to change at will."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True, symlinks=True)
    given_settings = built.settings.model_copy(
        update={"warehouse": tmp_path / "warehouse.duckdb", "target": whole / "target", "state": tmp_path / "state"}
    )
    if not (whole / "target").exists():
        transforming(given_settings, tmp_path / "project").parse()
    return Clone(tmp_path / "project", given_settings)


def shown(found: Comparison) -> str:
    """A comparison as the terminal shows it."""
    console = Console(width=1_000, highlight=False)
    with console.capture() as capture:
        console.print(comparison(found))
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def test_a_changed_metric_is_counted_exactly(clone: Clone) -> None:
    clone.edit(WINDOWED, MINUTES, FLOORED)
    before = clone.contents()
    built_files = {file: file.stat().st_mtime for file in clone.settings.target.rglob("*")}
    found = clone.compare()

    assert clone.schemas() == set()
    assert clone.contents() == before
    assert {file: file.stat().st_mtime for file in clone.settings.target.rglob("*")} == built_files
    assert not list(clone.root.parent.glob("*.tmp"))
    assert git(clone.root, "status", "--porcelain") == f"M {WINDOWED}"

    tables = {table.name: table for table in found.tables}
    metrics = tables["fct_visitor_metrics"]
    assert (metrics.key, metrics.added, metrics.removed, metrics.note) == (("visitor_id",), 0, 0, None)
    ((rows, *few, any_few),) = clone.rows(
        "select count(*), count(*) filter (minutes_last_30 between 1 and 4), "
        "count(*) filter (minutes_last_90 between 1 and 4), count(*) filter (minutes_last_180 between 1 and 4), "
        "count(*) filter (minutes_last_30 between 1 and 4 or minutes_last_90 between 1 and 4 "
        "or minutes_last_180 between 1 and 4) from metrics.fct_visitor_metrics"
    )
    assert 0 < few[0] < any_few < rows
    assert (metrics.rows_before, metrics.rows_after, metrics.changed) == (rows, rows, any_few)
    assert {column.name: column.changed for column in metrics.columns} == {
        f"minutes_last_{days}": count for days, count in zip((30, 90, 180), few, strict=True) if count
    }
    minutes = metrics.columns[0]
    old = sorted(row[0] for row in clone.rows("select minutes_last_30 from metrics.fct_visitor_metrics"))
    new = sorted(value if value >= 5 else 0 for value in old)
    for side, values in ((minutes.before, old), (minutes.after, new)):
        assert side is not None
        low, middle, high = statistics.quantiles(values, method="inclusive")
        assert (side.least, side.p25, side.median, side.p75, side.greatest) == (
            values[0],
            low,
            middle,
            high,
            values[-1],
        )
        assert side.mean == pytest.approx(statistics.fmean(values))
    moved = clone.rows(
        "select visitor_id, minutes_last_30 from metrics.fct_visitor_metrics where minutes_last_30 between 1 and 4 "
        "order by minutes_last_30 desc, visitor_id limit 5"
    )
    assert minutes.movers == tuple(Mover(key, float(value), 0.0, -float(value)) for key, value in moved)

    (hubspot,) = (one for one in found.activations if one.name == "hubspot_contacts")
    expected = clone.rows(
        "select sum((minutes_last_30 between 1 and 4)::int + (minutes_last_90 between 1 and 4)::int "
        "+ (minutes_last_180 between 1 and 4)::int), count(*) filter (minutes_last_30 between 1 and 4 "
        "or minutes_last_90 between 1 and 4 or minutes_last_180 between 1 and 4) "
        "from activations.sync_hubspot__contacts"
    )
    assert [(hubspot.newly + hubspot.no_longer + hubspot.otherwise, hubspot.records)] == expected
    assert hubspot.before is not None
    assert hubspot.before.records == clone.rows("select count(*) from activations.sync_hubspot__contacts")[0][0]
    # Companies' minutes are summed from other columns.
    assert [one.name for one in found.activations if one.differs] == ["hubspot_contacts", "salesforce_contacts"]
    assert found.in_full == ()

    page = (ROOT / "docs" / "reviewing.md").read_text()
    told = shown(found).replace(found.commit[:12], "0123456789ab")
    example = re.search(r"<!-- compare -->\n```\n(.*?)\n```\n", page, re.DOTALL)
    assert example is not None
    assert told.splitlines() == example[1].splitlines()
    assert len(markdown(found)) < 65_536
    assert json.loads(json.dumps(comparison_json(found)))["tables"][0]["name"] == found.tables[0].name


def test_a_changed_seed_and_a_new_column_are_followed_to_the_activations(clone: Clone) -> None:
    file = clone.root / "seeds" / "match_rules.csv"
    lines = file.read_text().splitlines()
    assert lines[1].startswith("visitor_email_hubspot,")
    file.write_text("\n".join([lines[0], *lines[2:]]) + "\n")
    call = "{{ unmatched('visitor') }}"
    clone.edit("models/identity/unmatched_visitors.sql", call, f"select *, 1 as added_here from ({call}) as unmatched")
    reason = "      - name: reason\n"
    added = "      - {name: added_here, data_type: integer, description: New.}\n"
    clone.edit("models/identity/unmatched_visitors.yml", reason, added + reason)
    found = clone.compare(keep=True)
    assert clone.schemas() >= {"compare_base__identity", "compare_head__identity", "compare_head__decisions"}
    tables = {table.name: table for table in found.tables}
    rules = tables["match_rules"]
    assert (rules.kind, rules.removed, rules.removed_keys) == ("seed", 1, ("visitor_email_hubspot",))

    # The tables that were kept are those that were compared.
    matches = tables["matches"]
    ((gone, came, changed),) = clone.rows(
        """
        select
            count(*) filter (head.rule is null),
            count(*) filter (base.rule is null),
            count(*) filter (base.rule <> head.rule)
        from compare_base__identity.matches as base
        full join compare_head__identity.matches as head using (crm, object, record_id)
        """
    )
    assert gone > 0
    assert (matches.removed, matches.added) == (gone, came)
    assert {column.name: column.changed for column in matches.columns}["rule"] == changed > 0
    assert clone.rows("select * from compare_base__identity.matches order by all") == clone.rows(
        "select * from identity.matches order by all"
    )
    (new,) = (column for column in tables["unmatched_visitors"].columns if column.type_before is None)
    assert (new.name, new.type_after) == ("added_here", "INTEGER")
    # Both versions are of one run, so what says which run it is of is no difference; and they are built in full.
    assert tables["match_rates"].added == 0
    assert found.in_full == ("match_changes", "match_rates")
    hubspot = {one.name: one for one in found.activations}["hubspot_contacts"]
    assert hubspot.no_longer > 0
    assert "removed: visitor_email_hubspot" in shown(found)
    assert "new column, integer" in markdown(found)

    # The next comparison drops them, and finds nothing once the change is the commit's.
    git(clone.root, "commit", "--quiet", "--all", "--message", "Other rules")
    nothing = clone.compare("HEAD")
    assert (nothing.tables, nothing.activations) == ((), ())
    assert "Nothing changes" in shown(nothing)


def test_a_signal_while_building_leaves_nothing(clone: Clone) -> None:
    clone.edit(WINDOWED, MINUTES, FLOORED)
    before = clone.contents()
    with pytest.raises(Stopped, match="dropped") as stopped:
        clone.compare(each=lambda done, _total: os.kill(os.getpid(), signal.SIGTERM) if done == 1 else None)
    assert stopped.value.signal == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert clone.schemas() == set()
    assert clone.contents() == before


def test_a_signal_that_a_destructor_swallowed_ends_it_too() -> None:
    with pytest.raises(Stopped) as stopped, building.stopping():
        work_on_after_a_swallowed(signal.SIGTERM)
    assert stopped.value.signal == signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_ends_a_build_with_an_error_is_told_as_a_stop(number: signal.Signals) -> None:
    """A stopped dbt closes its connections, and what runs on one of them says that it cannot be built."""

    def build() -> None:
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt:
            raise CompareError("main cannot be built: Connection already closed!") from None

    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(Stopped) as stopped, building.stopping():
        build()
    assert stopped.value.signal == number
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


def test_an_error_that_nobody_asked_for_is_no_stop() -> None:
    with pytest.raises(CompareError), building.stopping():
        raise CompareError("main cannot be built")


def test_a_version_that_cannot_be_built_is_named_and_leaves_nothing(clone: Clone) -> None:
    good = (clone.root / WINDOWED).read_text()
    clone.edit(WINDOWED, MINUTES, f"no_such_column as {MINUTES.partition(' as ')[2]}")
    git(clone.root, "commit", "--quiet", "--all", "--message", "Broken SQL")
    (clone.root / WINDOWED).write_text(good)
    with pytest.raises(
        CompareError,
        match=r"HEAD cannot be built: dbt build: fct_(visitor|account)_metrics: .*no_such_column",
    ):
        clone.compare("HEAD")
    assert clone.schemas() == set()


def test_a_version_that_does_not_compile_is_named(clone: Clone) -> None:
    file = clone.root / "models/activations/hubspot/sync_hubspot__contacts.yml"
    good = file.read_text()
    file.write_text(good + "\n  bad: [")
    git(clone.root, "commit", "--quiet", "--all", "--message", "Broken YAML")
    file.write_text(good)
    with pytest.raises(CompareError, match=r"HEAD does not compile: .*sync_hubspot__contacts\.yml"):
        clone.compare("HEAD")


def refused(clone: Clone, *arguments: str) -> str:
    """The one line of a refusal of the command."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "BACKHAUL_WAREHOUSE": str(clone.settings.warehouse)}
    done = subprocess.run(
        [sys.executable, "-m", "backhaul", "compare", *arguments],
        env=env | {"DBT_TARGET_PATH": str(clone.settings.target), "BACKHAUL_STATE": str(clone.settings.state)},
        cwd=clone.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    return line


def test_what_cannot_be_compared_is_one_line(clone: Clone) -> None:
    assert "--base nowhere: git knows no such commit here" in refused(clone, "--base", "nowhere")
    shutil.rmtree(clone.root / ".git")
    assert "not in a git work tree" in refused(clone, "--base", "main")


def test_who_holds_the_warehouse_is_told_before_anything_is_read(clone: Clone) -> None:
    hold = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"
    command = [sys.executable, "-c", hold, str(clone.settings.warehouse)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(PlanError, match=f"another process, {holder.pid}, holds the warehouse"):
            clone.compare()
        holder.communicate("\n")


def test_a_second_comparison_is_refused_before_it_drops_anything_of_the_first(clone: Clone) -> None:
    with building.alone(clone.settings.state), pytest.raises(CompareError, match=r"compare\.lock: another compare is"):
        clone.compare()
    with building.alone(clone.settings.state):
        pass


@pytest.mark.parametrize("error", [None, ValueError("the real error")])
def test_what_cannot_be_dropped_hides_neither_the_result_nor_the_error(
    tmp_path: Path, error: ValueError | None
) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    duckdb.connect(str(warehouse)).close()
    hold = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"
    warned: list[str] = []
    with ExitStack() as until_the_end:
        raised = pytest.raises(ValueError, match="the real error") if error else nullcontext()
        with raised, building.own_schemas(warehouse, warned.append, keep=False):
            command = [sys.executable, "-c", hold, str(warehouse)]
            holder = until_the_end.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            if error:
                raise error
        holder.communicate("\n")
    (line,) = warned
    assert "compare_base__* and compare_head__* are still in the warehouse" in line
    assert f"another process, {holder.pid}, holds the warehouse" in line


def guarded(overwrites: int, calls_left: int | None = None) -> ActivationPlan:
    """An activation's plan of 1,000 records that overwrites values of so many, in one call."""
    zero = dict.fromkeys(("changes", "held", "kept", "invalid", "unchanged", "left", "clears"), 0)
    nothing = {"samples": (), "reasons": (), "warnings": (), "fingerprints": {}}
    return ActivationPlan(
        **{"name": "contacts", "destination": "hubspot", "object": "contacts", "records": 1_000, **zero, **nothing},
        records_changed=overwrites,
        clear_share=0.0,
        overwrites=overwrites,
        calls=1,
        quota_share=None,
        guards=Guards(0.5, 0.1, 0.8),
        calls_left=calls_left,
        sync_file="",
        file="",
        sha256="",
    )


def test_a_guard_is_new_where_it_did_not_trip_before_whatever_the_counts() -> None:
    def new(before: ActivationPlan | None, after: ActivationPlan | None) -> list[str]:
        found = ActivationDifference("contacts", before, after, 0, 0, 0, 0, (), (), ())
        return [line.rpartition("(")[2] for line in found.guards]

    assert new(guarded(501), guarded(502)) == []
    assert new(guarded(500), guarded(501)) == new(None, guarded(501)) == ["more than max_change_share 50%)"]
    assert new(guarded(501), guarded(500)) == new(guarded(501), None) == []
    # Another one that trips beside it.
    (line,) = new(guarded(501), guarded(502, calls_left=0))
    assert "1 calls, and 0 were left" in line


# Tables


def compared(before: str, after: str, *keys: Key) -> TableDifference:
    """Compare two queries."""
    with duckdb.connect() as connection:
        connection.execute(f"create table one as {before}; create table other as {after}")
        return compare_tables(connection, "model", "model", '"one"', '"other"', keys, 5)


VALUES = st.dictionaries(
    st.integers(0, 5),
    st.tuples(st.none() | st.integers(-3, 3), st.none() | st.sampled_from(["", "a", "b'"])),
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(before=VALUES, after=VALUES)
def test_counts_are_those_of_a_plain_comparison(
    before: dict[int, tuple[int | None, str | None]], after: dict[int, tuple[int | None, str | None]]
) -> None:
    with duckdb.connect() as connection:
        for name, rows in (("one", before), ("other", after)):
            connection.execute(f'create table {name} (id integer, "the ""number""" integer, said varchar)')
            for key, values in rows.items():
                connection.execute(f"insert into {name} values (?, ?, ?)", [key, *values])
        found = compare_tables(connection, "m", "model", "one", "other", [Key(("id",))], 99)
        bags = compare_tables(connection, "m", "model", "one", "other", [], 99)
    both = before.keys() & after.keys()
    assert (found.rows_before, found.rows_after) == (len(before), len(after))
    assert found.added_keys == tuple(sorted(str(key) for key in after.keys() - both))
    assert found.removed_keys == tuple(sorted(str(key) for key in before.keys() - both))
    assert found.changed == sum(before[key] != after[key] for key in both)
    columns = {column.name: column for column in found.columns}
    for place, name in enumerate(('the "number"', "said")):
        pairs = [(before[key][place], after[key][place]) for key in both if before[key][place] != after[key][place]]
        column = columns.get(name)
        if column is None:
            assert not pairs
            continue
        assert (column.changed, column.filled, column.emptied) == (
            len(pairs),
            sum(old is None for old, _ in pairs),
            sum(new is None for _, new in pairs),
        )
        assert Counter({(one.before, one.after): one.records for one in column.transitions}) == (
            Counter(pairs) if name == "said" else {}
        )
    deltas = sorted(
        (abs(after[key][0] - before[key][0]) for key in both if None not in {before[key][0], after[key][0]}),
        reverse=True,
    )
    movers = columns['the "number"'].movers if 'the "number"' in columns else ()
    assert [abs(one.delta) for one in movers] == [float(delta) for delta in deltas if delta]

    one, other = (Counter((key, *values) for key, values in rows.items()) for rows in (before, after))
    assert (bags.added, bags.removed) == ((other - one).total(), (one - other).total())
    assert bags.note == "no key is declared, so whole rows are compared"


def test_columns_that_came_went_or_have_another_type_are_shown_as_such() -> None:
    found = compared(
        "select 1 as id, 2 as kept, 'x' as gone, 12 as score, '5' as text",
        "select '1' as id, 2 as kept, 3 as come, 12.0 as score, 6 as text",
        Key(("id",)),
    )
    assert {column.name: (column.type_before, column.type_after, column.changed) for column in found.columns} == {
        "id": ("INTEGER", "VARCHAR", 0),
        "gone": ("VARCHAR", None, 0),
        "come": (None, "INTEGER", 0),
        # 12 and 12.0 are one number.
        "score": ("INTEGER", "DECIMAL(3,1)", 0),
        "text": ("VARCHAR", "INTEGER", 1),
    }
    assert (found.added, found.removed, found.changed) == (0, 0, 1)
    assert found.columns[-1].transitions == (Transition("5", "6", 1),)


def test_a_sums_last_digits_are_no_difference_and_infinity_is_one() -> None:
    found = compared(
        "select * from (values (1, 0.1::double), (2, 1e300), (3, 'inf'::double), (4, 1.0)) as t(id, value)",
        "select * from (values (1, 0.1::double + 1e-17), (2, 1e300), (3, '-inf'::double), (4, 1.1)) as t(id, value)",
        Key(("id",)),
    )
    assert [(column.changed) for column in found.columns] == [2]


def test_a_key_that_is_none_is_passed_over_and_rows_are_never_multiplied() -> None:
    rows = "select 1 as id, range % 3 as other, range from range(1000)"
    found = compared(rows, rows, Key(("missing",)), Key(("id",)), Key(("other",)))
    assert (found.key, found.added, found.removed) == ((), 0, 0)
    assert found.note == "other is not unique before and after, so whole rows are compared"
    by_expression = compared(rows, rows, Key(("id",)), Key(("id || ' ' || range",), is_expression=True))
    assert (by_expression.key, by_expression.rows_after, by_expression.note) == (("id || ' ' || range",), 1000, None)


def test_nulls_in_a_key_are_values() -> None:
    found = compared(
        "select null::integer as id, 'x' as kind, 1 as value",
        "select null::integer as id, 'x' as kind, 2 as value",
        Key(("id", "kind")),
    )
    assert (found.added, found.removed, found.changed) == (0, 0, 1)


# What is declared


def test_keys_are_read_from_constraints_then_tests_then_the_configuration() -> None:
    def tested(name: str, *, where: str | None = None, **arguments: object) -> dict[str, Any]:
        config = {"enabled": True, "where": where}
        return {"attached_node": "m", "config": config, "test_metadata": {"name": name, "kwargs": arguments}}

    node = {
        "unique_id": "m",
        "columns": {"a": {"constraints": [{"type": "primary_key"}]}, "b": {"constraints": []}},
        "constraints": [{"type": "unique", "columns": ["a", "b"]}],
        "config": {"unique_key": ["b"]},
    }
    tests = {
        "1": tested("unique", column_name="a || b"),
        "2": tested("unique", column_name="b"),
        "3": tested("unique", column_name="a", where="b > 0"),
        "4": tested("unique_combination_of_columns", combination_of_columns=["b", "a"]),
        "5": tested("not_null", column_name="a"),
        "6": tested("key", columns=["a", "c"]),
        "7": tested("key", column_name="c"),
        "8": tested("key", columns=["c", "b"], where="b > 0"),
        "9": tested("decided", key=["c", "a"], filled=["b"]),
        "A": tested("decided", filled=["b"]),
        "B": tested("surrogate_key", column_name="d"),
    }
    assert list(declared_keys({"nodes": tests}, node)) == [
        Key(("a",)),
        Key(("a", "b")),
        Key(("a || b",), is_expression=True),
        Key(("b",)),
        Key(("b", "a")),
        Key(("a", "c")),
        Key(("c",)),
        Key(("c", "a")),
        Key(("d",)),
        Key(("b",)),
    ]


def version(folder: Path, variables: str, **nodes: Any) -> Version:
    """A project of models m and n, where n is made from m, and of two macros that call each other."""
    folder.mkdir()
    (folder / "dbt_project.yml").write_text(f"vars: {variables}")
    (folder / "seed.csv").write_text("a\n1\n")
    model = {
        "resource_type": "model",
        "raw_code": "select 1",
        "depends_on": {"macros": []},
        "columns": {},
        "config": {},
    }
    macros = {
        "ring": {"macro_sql": "{{ other() }}", "depends_on": {"macros": ["other"]}},
        "other": {"macro_sql": "{{ var('days') }} {{ ring() }}", "depends_on": {"macros": ["ring"]}},
    }
    every = {"model.m": model, "model.n": model, **{f"model.{name}": model | node for name, node in nodes.items()}}
    manifest = {
        "nodes": every | {"seed.s": model | {"resource_type": "seed", "original_file_path": "seed.csv"}},
        "sources": {},
        "exposures": {"exposure.e": {"depends_on": {"nodes": ["model.n"]}, "config": {}}},
        "macros": macros,
        "child_map": {"model.m": ["model.n", "test.t"], "model.n": ["exposure.e"], "seed.s": []}
        | {"exposure.e": [], "test.t": []}
        | {f"model.{name}": [] for name in nodes if name not in {"m", "n"}},
    }
    return Version("it", folder, manifest)


def test_what_dbt_finds_modified_is_followed_downstream(tmp_path: Path) -> None:
    base, head = version(tmp_path / "base", "{}"), version(tmp_path / "head", "{}")
    assert affected(base, head, []) == set()
    assert affected(base, head, ["model.m"]) == {"model.m", "model.n"}
    # An activation is read by what follows from its sync model.
    assert affected(base, head, ["exposure.e"]) == {"model.n"}
    extra = version(tmp_path / "extra", "{}", gone={})
    assert affected(extra, head, []) == affected(head, extra, ["model.gone"]) == {"model.gone"}


@pytest.mark.parametrize("path", ["{days: 30}", "{backhaul: {days: 30}}"])
def test_a_variables_value_is_followed_through_macros_that_read_it(tmp_path: Path, path: str) -> None:
    reading = {"depends_on": {"macros": ["ring"]}}
    base = version(tmp_path / "base", path, n=reading)
    assert affected(base, version(tmp_path / "same", path, n=reading), []) == set()
    for place, other in enumerate((path.replace("30", "90"), "{}")):
        assert affected(base, version(tmp_path / f"{place}", other, n=reading), []) == {"model.n"}
    mentions = version(tmp_path / "mentions", "{days: 1, day: 2}", m={"raw_code": 'select {{ var("day") }}'})
    assert affected(mentions, replace(mentions, root=base.root), []) == {"model.m", "model.n"}


def test_a_columns_policy_and_a_seeds_bytes_are_changes(tmp_path: Path) -> None:
    def column(policy: str) -> dict[str, Any]:
        return {"columns": {"a": {"data_type": "integer", "config": {"meta": {"on_conflict": policy}}}}}

    base = version(tmp_path / "base", "{}", m=column("hold"))
    head = version(tmp_path / "head", "{}", m=column("overwrite"))
    assert affected(base, head, []) == {"model.m", "model.n"}
    head.manifest["exposures"]["exposure.e"]["config"] = {"meta": {"activation": {"guards": {}}}}
    base.manifest["nodes"]["model.m"]["columns"] = column("overwrite")["columns"]
    assert affected(base, head, []) == {"model.n"}
    (head.root / "seed.csv").write_text("a\n2\n")
    assert affected(base, head, []) == {"model.n", "seed.s"}
