"""What tells a model's rows apart, as the project declares it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb


@dataclass(frozen=True, slots=True)
class Key:
    """What tells a table's rows apart: columns, or one expression over them."""

    names: tuple[str, ...]
    is_expression: bool = False

    @property
    def expressions(self) -> tuple[str, ...]:
        """As SQL. An expression is the project's own code."""
        return self.names if self.is_expression else tuple(quoted(name) for name in self.names)


def quoted(*names: str) -> str:
    """An identifier, of as many parts as there are names."""
    return str(duckdb.ColumnExpression(*names))


def declared_keys(manifest: Mapping[str, Any], node: Mapping[str, Any]) -> Iterator[Key]:
    """The keys that the project declares of a model, the most certain first.

    Constraints, then tests of uniqueness, then what an incremental model is merged by.
    """
    for kind in ("primary_key", "unique"):
        of_model = [tuple(one["columns"]) for one in node.get("constraints", ()) if one["type"] == kind]
        of_columns = [
            (name,)
            for name, column in node["columns"].items()
            if any(one["type"] == kind for one in column.get("constraints", ()))
        ]
        yield from map(Key, [*of_model, *of_columns])
    for _, test in sorted(manifest["nodes"].items()):
        metadata = test.get("test_metadata") or {}
        if test.get("attached_node") != node["unique_id"] or not test["config"]["enabled"]:
            continue
        arguments = metadata.get("kwargs", {})
        # A condition makes it a test of some rows only.
        if test["config"].get("where"):
            continue
        if metadata.get("name") in {"key", "surrogate_key"}:
            yield Key(tuple(arguments.get("columns") or (arguments["column_name"],)))
        elif metadata.get("name") == "decided" and arguments.get("key"):
            yield Key(tuple(arguments["key"]))
        elif metadata.get("name") == "unique":
            name = str(arguments["column_name"])
            yield Key((name,), is_expression=name not in node["columns"])
        elif metadata.get("name") == "unique_combination_of_columns":
            yield Key(tuple(arguments["combination_of_columns"]))
    unique_key = node["config"].get("unique_key")
    if unique_key:
        yield Key((unique_key,) if isinstance(unique_key, str) else tuple(unique_key))
