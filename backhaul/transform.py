"""Run dbt in this process, with a progress bar instead of its log."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from activators.errors import ActivationError
from backhaul.settings import Settings

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult
    from dbt.contracts.graph.manifest import Manifest

Progress = Callable[[int, int], None]
"""Called with the nodes done so far, and all of them."""


class TransformError(ActivationError):
    """Dbt failed; the message names the first nodes that did."""


@dataclass(slots=True)
class Transform:
    """dbt on one warehouse. The project is parsed once, which saves seconds for each later build."""

    settings: Settings
    root: Path
    _manifest: Manifest | None = field(default=None, init=False, repr=False)

    def parse(self) -> None:
        """Read the project into `target/manifest.json`, unless that is newer than every file of it."""
        project = self.root / "dbt_project.yml"
        if not project.exists():
            raise TransformError(f"{project}: no such file; run this in the project's folder")
        made = self.settings.manifest.stat().st_mtime if self.settings.manifest.exists() else 0.0
        folders = [self.root / name for name in ("models", "macros", "seeds")]
        # A folder's own time tells of files that are gone.
        files = [project, *folders, *(file for folder in folders for file in folder.rglob("*"))]
        if any(file.stat().st_mtime > made for file in files):
            self._manifest = self._invoke(["parse"])

    def modified(self, state: Path) -> frozenset[str]:
        """The ids of what dbt's `state:modified` finds, going by the manifest in the folder `state`; no tests."""
        manifest = self._manifest = self._manifest or self._invoke(["parse"])
        arguments = ["ls", "--select", "state:modified", "--state", str(state.resolve()), "--output", "json"]
        arguments += ["--output-keys", "unique_id", "--exclude-resource-type", "test", "unit_test"]
        # That nothing is modified is an answer.
        arguments += ["--warn-error-options", '{"error": []}']
        return frozenset(orjson.loads(line)["unique_id"] for line in self._invoke(arguments, _copy(manifest)))

    def build(
        self, progress: Progress, *arguments: str, prepare: Callable[[Manifest], None] = lambda _manifest: None
    ) -> int:
        """`dbt build` with more arguments. Returns the number of nodes. Raises TransformError when one fails.

        `prepare` may change the manifest that this build alone goes by.
        """
        manifest = self._manifest = self._manifest or self._invoke(["parse"])
        finished: Counter[str] = Counter()
        total = 0

        def count(event: Any) -> None:  # noqa: ANN401  dbt's protobuf message
            nonlocal total
            if event.info.name == "ConcurrencyLine":
                total = event.data.node_count
            elif event.info.name == "NodeFinished":
                finished[event.data.node_info.resource_type] += 1
                # dbt's own count of what is to do leaves the unit tests out.
                progress(finished.total() - finished["unit_test"], total)

        # A build compiles into the manifest that it is given: each gets its own.
        own = _copy(manifest)
        prepare(own)
        self._invoke(["build", *arguments], own, count)
        return finished.total()

    def docs(self) -> Path:
        """Write the docs as one page, with the SQL that the last build compiled, and return the page's path."""
        self._invoke(["docs", "generate", "--static", "--no-compile"], self._manifest and _copy(self._manifest))
        return self.settings.target / "static_index.html"

    def _invoke(
        self, arguments: Sequence[str], manifest: Manifest | None = None, *callbacks: Callable[[Any], None]
    ) -> Any:  # noqa: ANN401  whatever the command gives: `parse` a Manifest
        # dbt takes seconds to import, and most commands do without it.
        from dbt.cli.main import dbtRunner  # noqa: PLC0415

        # profiles.yml reads where the warehouse is from here.
        os.environ["BACKHAUL_WAREHOUSE"] = str(self.settings.warehouse)
        options = {
            "--project-dir": self.root,
            "--profiles-dir": self.root,
            "--target-path": self.settings.target.resolve(),
            "--log-path": (self.settings.state / "logs").resolve(),
        }
        result = dbtRunner(manifest=manifest, callbacks=list(callbacks)).invoke(
            [*arguments, "--log-level", "none", *(str(part) for option in options.items() for part in option)]
        )
        if not self.settings.on_spark:
            close_warehouse()
        if isinstance(result.exception, KeyboardInterrupt):
            raise result.exception
        if not result.success:
            raise TransformError(f"dbt {arguments[0]}: {_first_failure(result)}; run it by hand to see all")
        return result.result


def close_warehouse() -> None:
    """Close the file that dbt keeps open after a run: DuckDB lets no other process read it meanwhile."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager  # noqa: PLC0415  dbt takes seconds to import

    # dbt-duckdb has no types here.
    close: Callable[[], None] = DuckDBConnectionManager.close_all_connections
    close()


def _copy(manifest: Manifest) -> Manifest:
    """Copy a manifest by dbt's own means, which stumble over what a project has disabled; no build looks at that."""
    copy: Callable[[], Manifest] = manifest.deepcopy
    disabled, manifest.disabled = manifest.disabled, {}
    try:
        own = copy()
    finally:
        manifest.disabled = disabled
    own.disabled = disabled
    return own


def _first_failure(result: dbtRunnerResult) -> str:
    if result.exception is not None:
        return " ".join(str(result.exception).split())
    for node in getattr(result.result, "results", []):
        if node.status in {"error", "fail", "runtime error"}:
            return f"{node.node.name}: {against(node.message, node.failures, node.node.relation_name)}"
    return "failed"


def against(message: str | None, failures: int | None, relation: str | None) -> str:
    """Say in one line what dbt has against a node: of a data test, where the rows are that fail it."""
    if failures and relation:
        kept = ".".join(part.strip('"`') for part in relation.split(".")[-2:])
        return f"{failures} {'row' if failures == 1 else 'rows'}, in {kept}"
    return " ".join(str(message).split())
