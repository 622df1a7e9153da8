"""How tables, views and failing rows are kept, what a key is, what a seed may say: a small project with our macros."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pytest
import yaml

from backhaul.settings import Settings
from backhaul.transform import Transform, TransformError
from tests.conftest import ROOT

PROJECT = """
name: backhaul
profile: backhaul
flags: FLAGS
model-paths: [models]
macro-paths: [macros]
data_tests: {+store_failures: true, +schema: failures}
"""
MODELS = {
    "numbers.sql": "{{ config(materialized='view') }} select unnest([{{ var('numbers', '1') }}]) as number",
    "contracted.sql": "{{ config(materialized='table') }} select 'b' as name, sum(number)::bigint as total "
    "from {{ ref('numbers') }}",
    "pairs.sql": "{{ config(materialized='view') }} select * "
    "from (values {{ var('pairs', \"('a', 'b')\") }}) as pairs (one, other)",
    "chosen.sql": "{{ config(materialized='view') }} select * "
    "from (values {{ var('chosen', \"('home', 'page', 'Kim')\") }}) as chosen (id, kind, decided_by)",
    "named.sql": "{{ config(materialized='view') }} select unnest([{{ var('named', \"'ann'\") }}]) as id",
    "models.yml": """
models:
  - {name: named, columns: [{name: id, data_tests: [surrogate_key]}]}
  - name: chosen
    data_tests:
      - decided:
          name: decided_chosen
          arguments:
            key: [id]
            filled: [kind]
            accepted: {kind: [page, the product's own]}
            wrong: {nobody's name is Nemo: decided_by = 'Nemo'}
  - {name: numbers, columns: [{name: number, data_tests: [key]}]}
  - {name: pairs, data_tests: [key: {arguments: {columns: [one, other]}}]}
  - name: contracted
    config: {contract: {enforced: true}, meta: {uncompressed: true}}
    constraints: [{type: primary_key, columns: [name]}]
    columns:
      - {name: total, data_type: bigint, constraints: [{type: check, expression: total < 100}]}
      - {name: name, data_type: varchar, constraints: [{type: not_null}]}
""",
}


# A table goes on from its own rows.
TOTAL = """{{{{ config(materialized='{kind}', meta={{'uncompressed': true}}, post_hook='{after}') }}}}
{{%- set goes_on = config.get('materialized') == 'table' and load_relation(this) is not none %}}
select
    'a' as name,
    sum(number) + {{% if goes_on %}} (select max(total) from {{{{ this }}}}) {{% else %}} 0 {{% endif %}} as total
from {{{{ ref('numbers') }}}}"""

# A row for each number, beside those of earlier builds.
SEEN = """{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail') }}
select number, 'b' as name{% if var('with_more', false) %}, 1 as more{% endif %}
from {{ ref('numbers') }}"""


class Project:
    """The project in a folder, and what it leaves in its warehouse."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(ROOT / "macros", folder / "macros")
        shutil.copy(ROOT / "profiles.yml", folder)
        flags = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["flags"]
        (folder / "dbt_project.yml").write_text(PROJECT.replace("FLAGS", json.dumps(flags)))
        (folder / "models").mkdir()
        for name, text in MODELS.items():
            (folder / "models" / name).write_text(text)
        (folder / "models" / "seen.sql").write_text(SEEN)
        self.folder = folder
        self.settings = Settings.model_construct(
            warehouse=folder / "warehouse.duckdb", state=folder / "state", target=folder / "target"
        )

    def build(
        self, numbers: str, *arguments: str, kind: str = "table", after: str = "select 1", **variables: object
    ) -> None:
        (self.folder / "models" / "total.sql").write_text(TOTAL.format(kind=kind, after=after))
        said = json.dumps({"numbers": numbers, **variables})
        Transform(self.settings, self.folder).build(lambda *_: None, "--vars", said, *arguments)

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with duckdb.connect(self.settings.warehouse) as connection:
            return connection.execute(query).fetchall()

    def failures(self) -> list[tuple[object, ...]]:
        return self.ask("select table_name from duckdb_tables() where schema_name = 'failures'")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_a_table_goes_on_from_the_old_one_which_stays_when_it_cannot_be_made(project: Project) -> None:
    project.build("1, 2")
    project.build("4")
    assert project.ask("from main.total") == [("a", 7)]
    with pytest.raises(TransformError, match="total"):
        project.build("5", after="no statement")
    assert project.ask("from main.total") == [("a", 7)]
    assert project.ask("select count(*) from duckdb_tables() where table_name like 'total%'") == [(1,)]
    # A view takes the table's place, and a table the view's.
    project.build("1", kind="view")
    project.build("5")
    assert project.ask("select table_name from duckdb_tables() where table_name like 'total%'") == [("total",)]


def test_rows_are_appended_to_a_table_of_the_same_columns(project: Project) -> None:
    for numbers in ("1, 2", "3"):
        project.build(numbers)
    assert project.ask("from main.seen order by number") == [(1, "b"), (2, "b"), (3, "b")]
    with pytest.raises(
        TransformError, match=r"columns name, number, and the model now more, name, number.*--full-refresh"
    ):
        project.build("4", with_more=True)
    assert project.ask("select count(*) from main.seen") == [(3,)]
    project.build("4", "--full-refresh", with_more=True)
    assert project.ask("from main.seen") == [(4, "b", 1)]
    with pytest.raises(TransformError, match="seen"):
        project.build("5")
    assert project.ask("from main.seen") == [(4, "b", 1)]


def test_an_uncompressed_table_keeps_its_contract(project: Project) -> None:
    project.build(", ".join(map(str, range(1, 12))))
    assert project.ask("from main.contracted") == [(66, "b")]
    assert project.ask("select \"null\" from (describe main.contracted) where column_name = 'name'") == [("NO",)]
    kept = "select distinct compression from pragma_storage_info('main.{}') where segment_type = 'VARCHAR'"
    assert [project.ask(kept.format(name)) for name in ("contracted", "total")] == [[("Uncompressed",)]] * 2
    with pytest.raises(TransformError, match="contracted"):
        project.build("200")
    assert project.ask("from main.contracted") == [(66, "b")]


def test_failing_rows_are_kept_until_they_are_mended(project: Project) -> None:
    project.build("1, 2")
    assert project.failures() == []
    with pytest.raises(TransformError, match="key_numbers_number"):
        project.build("1, 2, 2, 2")
    assert project.ask("from failures.key_numbers_number") == [(2, 3)]
    with pytest.raises(TransformError, match="key_numbers_number"):
        project.build("3, 3")
    assert project.ask("from failures.key_numbers_number") == [(3, 2)]
    project.build("1, 2")
    assert project.failures() == []


def test_a_key_is_whole_and_of_one_row_whatever_its_parts_look_like_together(project: Project) -> None:
    project.build("1", pairs="('a', 'b c'), ('a b', 'c'), ('b c', 'a')")
    for pairs, failing in (
        ("('a', 'b'), ('a', 'c'), ('a', 'b')", [("a", "b", 2)]),
        ("('a', 'b'), ('a', null)", [("a", None, 1)]),
        ("(null, null), (null, null)", [(None, None, 2)]),
    ):
        with pytest.raises(TransformError, match="key_pairs_one__other"):
            project.build("1", pairs=pairs)
        assert project.ask("from failures.key_pairs_one__other") == failing
    with pytest.raises(TransformError, match="key_numbers_number"):
        project.build("1, null")
    assert project.ask("from failures.key_numbers_number") == [(None, 1)]


def test_ids_that_share_a_surrogate_key_are_named(project: Project) -> None:
    project.build("1", named="'ann', 'bob', 'ann '")
    for named, failing in (("'ann', 'bob', 'ann'", [("ann",), ("ann",)]), ("'ann', null, null", [(None,), (None,)])):
        with pytest.raises(TransformError, match="surrogate_key_named_id: 2 rows"):
            project.build("1", named=named)
        assert project.ask("from failures.surrogate_key_named_id") == failing
    # Nobody has seen two ids that an engine gives one number, so here those of the same length have one.
    number = "{% macro hash64(columns) %}cast(length({{ columns[0] }}) as bigint){% endmacro %}"
    (project.folder / "macros" / "engine" / "hash64.sql").write_text(number)
    with pytest.raises(TransformError, match="surrogate_key_named_id: 2 rows"):
        project.build("1", named="'ann', 'bob', 'bobby'")
    assert project.ask("from failures.surrogate_key_named_id order by id") == [("ann",), ("bob",)]
    project.build("1", named="'ann', 'bobby'")
    assert project.failures() == []


def test_a_seed_is_told_the_first_mistake_of_each_row(project: Project) -> None:
    project.build("1", chosen="('home', 'page', null), ('Home', 'the product''s own', 'Kim')")
    for chosen, mistakes in (
        ("('home', 'page', 'Kim'), ('away', null, 'Kim')", [("away", "kind is empty")]),
        ("(null, 'page', 'Kim')", [(None, "id is empty")]),
        ("('home', 'Page', 'Kim')", [("home", "kind is none of page, the product's own")]),
        ("('home', 'page', 'Nemo')", [("home", "nobody's name is Nemo")]),
        ("('home', 'page', 'Kim'), ('home', 'page', 'Ann')", [("home", "another row has the same id")] * 2),
    ):
        told = f"decided_chosen: {len(mistakes)} rows?, in failures.decided_chosen;"
        with pytest.raises(TransformError, match=told):
            project.build("1", chosen=chosen)
        assert project.ask("select id, mistake from failures.decided_chosen") == mistakes
    project.build("1")
    assert project.failures() == []


def test_a_macro_that_an_upgrade_takes_away_stops_nothing(project: Project) -> None:
    """Of its description dbt may keep a copy, and it warns of that until the target folder is deleted."""
    macros, described = project.folder / "macros" / "some.sql", project.folder / "macros" / "some.yml"
    for names, text in ((("stays", "goes"), "One."), (("stays",), "Two.")):
        macros.write_text("".join(f"{{% macro {name}() %}}1{{% endmacro %}}" for name in names))
        described.write_text(json.dumps({"macros": [{"name": name, "description": text} for name in names]}))
        project.build("1")
