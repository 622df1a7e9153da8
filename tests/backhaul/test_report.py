"""What people see of a plan: right counts, before and after, and nothing that a value could turn into markup."""

from __future__ import annotations

import datetime as dt
import html.parser
import re
import string
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console, RenderableType

from activators.activation import Activation, ColumnType, Guards, Property
from activators.journal import Change, RecordChanges, Result
from activators.plan import Plan, read_plan
from activators.sealing import seal_tables
from activators.written import Write
from backhaul import cli, report
from backhaul.markdown import escaped, markdown
from backhaul.page import page
from backhaul.report import REASONS
from backhaul.review import BINS, FREQUENT, Frequency, ages, review
from backhaul.suggest import Evidence, Suggestion
from backhaul.suggest.output import shown as suggested
from tests.activators.conftest import activation
from tests.conftest import ROOT

NOW = dt.datetime(2026, 3, 20, 12, tzinfo=dt.UTC)
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a | b || c \\| d",
    "`code` ``more`` *bold* _it_ ~~no~~",
    "=1+1",
    "@somebody #1 https://example.com www.example.com [a](javascript:alert(1))",
    "one\ntwo\r\n| --- |\n</details>",
    "{{ 7 * 7 }} {% raw %}",
    "\u202etxet\x00\x1b[31m",
    "&lt;already&gt; &#60;",
]
FAMILIES = ("number", "string", "boolean", "date", "datetime")
Row = tuple[str, str, str | None, str | None, str, str]
Sealing = Callable[..., Plan]


def declared(**changes: Any) -> Activation:
    properties = tuple(Property(f"a_{name}", name, ColumnType(name), name, "A property.") for name in FAMILIES)
    return activation("hubspot", **({"properties": properties, "guards": Guards(1.0, 1.0, 1.0)} | changes))


def sealed(folder: Path, rows: Sequence[Row], *, guards: Guards | None = None, records: int = 0) -> Plan:
    """Seal rows of (record, property, before, after, decision, reason) as the plan models would leave them."""
    item = declared(**({"guards": guards} if guards else {}))
    families = {one.name: one.type.family for one in item.properties}
    with duckdb.connect() as connection:
        connection.execute(
            """
            create schema activations; create schema plans; create schema hubspot;
            create table activations.sync_contacts (contact_id varchar);
            create table plans.int_crm_quotas (crm varchar, daily_calls bigint, remaining_calls bigint);
            create table plans.int_crm_properties (crm varchar, object varchar, property varchar, fingerprint varchar);
            create table hubspot.reads (object varchar, read_at timestamptz);
            insert into hubspot.reads values
                ('contacts', '2026-03-19 09:00:00+00'), ('owners', '2026-03-19 08:00:00+00');
            insert into plans.int_crm_quotas values ('hubspot', 1000, 900);
            create table plans.plan_contacts (
                record_id varchar, property varchar, family varchar, current_value varchar, desired_value varchar,
                decision varchar, reason varchar, has_left boolean
            );
            """
        )
        count = max(records, len({row[0] for row in rows}))
        connection.execute("insert into activations.sync_contacts select range from range(?)", [count])
        if rows:
            connection.executemany(
                "insert into plans.plan_contacts values (?, ?, ?, ?, ?, ?, ?, false)",
                [(row[0], row[1], families[row[1]], *row[2:]) for row in rows],
            )
        return seal_tables(connection, [item], folder / "plans", NOW)


def sent(record: str, name: str, before: str | None, after: str | None) -> Row:
    return record, name, before, after, "send", "differs"


def hostile_rows() -> list[Row]:
    rows = [sent(f"{n} {text}", "a_string", text, HOSTILE[n - 1]) for n, text in enumerate(HOSTILE)]
    rows += [(f"held {text}", "a_string", text, "x", "hold", "edited_in_crm") for text in HOSTILE]
    rows += [(f"bad {text}", "a_string", None, text, "invalid", "too_long") for text in HOSTILE]
    return rows


class Elements(html.parser.HTMLParser):
    """The elements and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(text: str) -> Elements:
    elements = Elements()
    elements.feed(text)
    return elements


def test_values_cannot_become_markup_in_the_page(tmp_path: Path) -> None:
    elements = parsed(page(sealed(tmp_path, hostile_rows())))
    assert not {tag for tag, _ in elements.seen} & {"script", "img", "iframe", "object", "embed", "form", "base"}
    for text in HOSTILE:
        # As a person reads it: every character of it is there.
        assert text.replace("\r\n", "\n") in elements.text.replace("\r\n", "\n"), text


def test_the_page_needs_nothing_but_itself(tmp_path: Path) -> None:
    """Every reference leads to a part of the page, and no attribute is a handler."""
    text = page(sealed(tmp_path, hostile_rows()))
    elements = parsed(text)
    ids = {attributes["id"] for _, attributes in elements.seen if "id" in attributes}
    for tag, attributes in elements.seen:
        assert tag != "link"
        assert not [name for name in attributes if name.startswith("on") or name in {"src", "srcset", "style"}], tag
        if "href" in attributes:
            assert str(attributes["href"]).removeprefix("#") in ids
    assert "url(" not in text.partition("</style>")[0]
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text


def tables_of(text: str) -> list[list[list[str]]]:
    """The cells of every table of a Markdown text, as a reader of GitHub's dialect gets them: by table and row."""
    tables: list[list[list[str]]] = []
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    for token, following in pairwise(tokens):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type in {"td_open", "th_open"}:
            children = following.children or []
            assert {child.type for child in children} <= {"text", "text_special", "html_inline", "em_open", "em_close"}
            assert {child.content for child in children if child.type == "html_inline"} <= {"<code>", "</code>"}
            tables[-1][-1].append("".join(child.content for child in children if child.type != "html_inline"))
    return tables


def test_values_cannot_leave_their_cells_in_markdown(tmp_path: Path) -> None:
    tables = tables_of(markdown(sealed(tmp_path, hostile_rows())))
    assert len(tables) == 2 + 3
    for table in tables:
        assert {len(row) for row in table} == {len(table[0])}
    cells = {cell for table in tables for row in table for cell in row}
    assert "=1+1" in cells or any("=1+1" in cell for cell in cells)
    assert len(markdown(sealed(tmp_path, hostile_rows()))) < 65_536


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from(string.printable + "é⏎\u2028\x85"), max_size=40))
def test_any_text_is_one_cell_of_text(value: str) -> None:
    text = f"| a | b |\n| --- | --- |\n| <code>{escaped(value)}</code> | end |"
    (table,) = tables_of(text)
    assert [len(row) for row in table] == [2, 2]
    assert table[1][1] == "end"
    shown = re.sub(r"\r\n|[\r\n\v\f\x85\u2028]", "⏎", value)
    assert table[1][0] == re.sub(r"[\x00-\x1f\x7f-\x9f]", "\N{REPLACEMENT CHARACTER}", shown)


def test_properties_are_counted_by_what_becomes_of_them(tmp_path: Path) -> None:
    rows: list[Row] = [
        sent("1", "a_number", None, "5"),
        sent("2", "a_number", "", "6"),
        sent("3", "a_number", "4", "5"),
        sent("4", "a_number", "4", None),
        ("5", "a_number", "9", "8", "hold", "edited_in_crm"),
        ("6", "a_number", "9", None, "keep", "null_keeps"),
        ("7", "a_number", None, "8", "invalid", "missing_property"),
        ("7", "a_string", None, "8", "invalid", "missing_property"),
    ]
    (item,) = review(sealed(tmp_path, rows))
    first, second = item.properties
    assert (first.name, second.name) == ("a_number", "a_string")
    assert (first.filled, first.replaced, first.cleared) == (2, 1, 1)
    assert (first.held, first.kept, first.invalid, first.changes) == (1, 1, 1, 4)
    reasons = {(one.decision, one.reason): one for one in item.reasons}
    assert reasons["invalid", "missing_property"].values == 2
    assert reasons["invalid", "missing_property"].properties == (("a_number", 1), ("a_string", 1))
    assert [one.record_id for one in reasons["hold", "edited_in_crm"].samples] == ["5"]
    assert len(item.samples) == 4


@pytest.mark.parametrize(
    ("name", "before", "after", "least", "greatest", "median"),
    [
        ("a_number", ["0", "1e1", "4.0"], ["1", "2", "24"], "0", "24", "2"),
        (
            "a_date",
            ["2026-03-01", "1772323200000"],
            ["2026-03-05", "2026-03-11"],
            "2026-03-01",
            "2026-03-11",
            "2026-03-08",
        ),
        (
            "a_datetime",
            [None, "2026-03-01T10:00:00Z"],
            ["2026-03-01T12:00:00+02:00", "2026-03-01 12:00:00+00"],
            "2026-03-01 10:00",
            "2026-03-01 12:00",
            "2026-03-01 11:00",
        ),
    ],
)
def test_what_has_an_order_has_a_spread(  # noqa: PLR0913, PLR0917  what stands there, and what is said of it
    tmp_path: Path, name: str, before: list[str], after: list[str], least: str, greatest: str, median: str
) -> None:
    pairs = zip(before, after, strict=True)
    (item,) = review(sealed(tmp_path, [sent(str(n), name, old, new) for n, (old, new) in enumerate(pairs)]))
    (one,) = item.properties
    spread = one.spread
    assert spread is not None
    assert spread.after is not None
    assert (spread.least, spread.greatest, spread.after[1]) == (least, greatest, median)
    assert len(spread.bins) == BINS
    assert sum(item.before for item in spread.bins) == len([value for value in before if value])
    assert sum(item.after for item in spread.bins) == len(after)
    # The greatest value is in the last bar, and not beyond it.
    assert spread.bins[-1].after + spread.bins[-1].before >= 1


def test_texts_and_booleans_have_their_most_frequent_values(tmp_path: Path) -> None:
    rows = [sent(str(n), "a_boolean", "false" if n % 3 else None, "true") for n in range(9)]
    rows += [sent(str(n), "a_string", f"old {n}", "new") for n in range(20)]
    (item,) = review(sealed(tmp_path, rows))
    found = {one.name: one.frequent for one in item.properties}
    assert found["a_boolean"] == (Frequency("true", 0, 9), Frequency("false", 6, 0), Frequency(None, 3, 0))
    assert found["a_string"][0] == Frequency("new", 0, 20)
    assert len(found["a_string"]) == FREQUENT


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(FAMILIES),
            st.none()
            | st.sampled_from(
                ["", "1", "-2.5", "1e308", "-1e308", "nan", "inf", "true", "2026-01-01", "99999999999999", "x"]
            ),
            st.none() | st.sampled_from(["1", "2", "1e300", "false", "0001-01-01", "9999-12-31T23:59:59Z", "é"]),
            st.sampled_from(["send", "hold", "keep", "invalid"]),
        ),
        max_size=12,
    )
)
def test_any_plan_can_be_shown(
    tmp_path_factory: pytest.TempPathFactory, values: list[tuple[str, str | None, str | None, str]]
) -> None:
    """Nothing is counted twice or left out, whatever stands in the CRM."""
    rows: list[Row] = [
        (str(n), f"a_{family}", before, after, decision, "differs" if decision == "send" else "too_long")
        for n, (family, before, after, decision) in enumerate(values)
    ]
    plan = sealed(tmp_path_factory.mktemp("any"), rows)
    (item,) = review(plan)
    assert sum(one.changes for one in item.properties) == plan.changes
    assert sum(one.values for one in item.reasons) == len(rows) - plan.changes
    assert page(plan).endswith("</html>\n") or page(plan).endswith("</html>")
    assert markdown(plan)


def test_guards_are_shown_with_their_figures_and_trip_where_the_plan_says(tmp_path: Path) -> None:
    rows = [sent(str(n), "a_number", "4", None) for n in range(3)]
    plan = sealed(tmp_path, rows, guards=Guards(0.2, 0.5, 0.5), records=10)
    (item,) = review(plan)
    shown = [(one.here, one.limit, one.tripped) for one in item.guards]
    assert shown == [
        ("30.00%", "20%", True),
        ("30.00%", "50%", False),
        ("0.10%", "50%", False),
        ("1", "900", False),
    ]
    assert sum(one.tripped for one in item.guards) == len(plan.warnings)
    assert "tripped" in page(plan)
    assert "Guards are tripped" in markdown(plan)


def test_a_plan_that_is_opened_again_shows_the_same(tmp_path: Path) -> None:
    plan = sealed(tmp_path, hostile_rows())
    again = read_plan(plan.folder)
    assert page(again) == page(plan)
    assert markdown(again) == markdown(plan)
    assert ages(again) == {"hubspot": "1 day"}
    assert "hubspot landed 1 day before" in page(plan)


def test_a_reason_of_a_teams_own_is_shown_as_it_is(tmp_path: Path) -> None:
    """Plan models are SQL that a team may change."""
    plan = sealed(tmp_path, [("1", "a_number", "1", "2", "keep", "not_on_fridays")])
    for shown in (page(plan), markdown(plan), str(told(plan))):
        assert "not_on_fridays" in shown


def told(plan: Plan) -> str:
    return printed(report.plan(plan))


def printed(what: RenderableType) -> str:
    """What a terminal is sent, by a console that reads markup: no sequence is rich's own, as it knows no colours."""
    console = Console(width=1_000, force_terminal=True, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(what)
    return captured.get()


# Names as people have typed them: brackets, a tag that was never opened, a link that hides where it leads.
BRACKETS = (
    "ACME [EMEA] Ltd",
    "Jo [/b]",
    "[link=https://evil.example]click[/link]",
    "[bold red]Jo[/]",
    ":warning: Jo",
    "\\[red]",
)
SEQUENCES = ("\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\", "Jo\x1b[2K\x1b[1A", "\x9b2J")


def history_of(value: str) -> str:
    result = Result("1", "rejected", NOW, code=value)
    changes = (Change("a_string", "string", value, f"after {value}"),)
    write = Write("run", "contacts", "hubspot", "contacts", RecordChanges("1", changes), result)
    return printed(report.history([write]))


def suggestion_of(value: str) -> str:
    evidence = (Evidence("name", value, value, value, 3.0),)
    ends = ("hubspot", "contacts", "1", value, "salesforce", "Lead", value, None)
    return printed(suggested([Suggestion(*ends, 0.9, 0.9, 1.0, 1.0, 1, 1, evidence, "a")], 5))


@pytest.mark.parametrize("show", [history_of, suggestion_of])
@pytest.mark.parametrize("value", BRACKETS)
def test_a_terminal_shows_brackets_as_they_were_typed(show: Callable[[str], str], value: str) -> None:
    # Each shows it three times at least: before, after and the answer, or both records and why.
    assert show(value).count(value) >= 3


@pytest.mark.parametrize("value", [*BRACKETS, *SEQUENCES])
def test_a_plan_on_a_terminal_shows_values_as_they_are(tmp_path: Path, value: str) -> None:
    rows = [sent("1", "a_string", None, value), (value, "a_string", None, "x", "hold", "edited_in_crm")]
    shown = told(sealed(tmp_path, rows))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown)
    assert shown.count(re.sub(r"[\x1b\x9b]", "\N{REPLACEMENT CHARACTER}", value)) == 2


@pytest.mark.parametrize("show", [history_of, suggestion_of])
@pytest.mark.parametrize("value", SEQUENCES)
def test_a_terminal_obeys_no_value(show: Callable[[str], str], value: str) -> None:
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", show(value))


def test_the_command_lines_consoles_read_no_markup() -> None:
    """Whatever else is printed one day: there is nothing to forget."""
    for console in (cli.out, cli.whole, cli.err):
        assert [console.render_str(value).plain for value in BRACKETS] == list(BRACKETS)


def test_every_reason_of_the_models_has_its_words() -> None:
    """The page, the table and the docs would else show a bare key."""
    decide = (ROOT / "macros" / "decide.sql").read_text()
    reasons = set(re.findall(r"(?:then|else) '(\w+)'\n", decide.partition("end as reason")[0]))
    assert {"differs", "rejected_before", "exit_keeps"} <= reasons
    of_events = (ROOT / "macros" / "events" / "events.sql").read_text().partition("macro decide_on_events")[2]
    reasons |= set(re.findall(r"(?:then|else) '(\w+)'\n", of_events.partition("end as reason")[0]))
    assert {"happened", "unmatched"} <= reasons
    documented = (ROOT / "docs" / "activations.md").read_text()
    for reason in reasons:
        assert f"| `{reason}` |" in documented, reason
        # What is sent needs no excuse.
        assert reason in REASONS or reason in {"differs", "happened"}
    for reason in REASONS:
        assert f"| `{reason}` |" in documented, reason
