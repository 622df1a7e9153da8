"""One spelling for every way to write an address or a host: what SQL has no words for.

dbt-duckdb gives the functions to every connection that dbt opens (`plugins` in profiles.yml). They see only the few
texts that are not plain ASCII; macros/engine/spelling.sql writes the others itself.
"""

from __future__ import annotations

import unicodedata

import duckdb
import idna
from dbt.adapters.duckdb.plugins import BasePlugin


def spelt_email(text: str) -> str:
    """Write an address as a key: compatibility forms as what they stand for, lower case, the host as DNS has it."""
    name, at, host = unicodedata.normalize("NFKC", text).strip().rpartition("@")
    # Lower case may leave letters decomposed.
    return f"{unicodedata.normalize('NFKC', name.lower())}{at}{spelt_host(host)}"


def spelt_host(text: str) -> str:
    """Write a host or its web address as DNS has it, `xn--` labels included; a label that none can be stays text."""
    return ".".join(
        map(_spelt_label, unicodedata.normalize("NFKC", text).strip().lower().replace("。", ".").split("."))
    )


def _spelt_label(label: str) -> str:
    if label.isascii():
        return label
    try:
        # As browsers do (UTS 46): ß is a letter of its own, and no two domains become one.
        return idna.encode(label, uts46=True).decode("ascii")
    except idna.IDNAError:
        return unicodedata.normalize("NFKC", label)


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Give a connection the functions `spelt_email` and `spelt_host`; null stays null."""
    text = duckdb.sqltype("VARCHAR")
    for function in (spelt_email, spelt_host):
        connection.create_function(function.__name__, function, [text], text)


class Plugin(BasePlugin):
    """How dbt-duckdb asks for it."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Give dbt's connection the functions."""
        register(conn)
