"""What tests of suggestions share: the extra that they need, and a project that has them switched on."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import ROOT

needs_splink = pytest.mark.skipif(
    find_spec("splink") is None, reason="needs the extra `suggest`: pip install -e '.[suggest]'"
)
MODELS = ("compared_people", "compared_organisations", "open_sides")
BUILD = (
    *("--select", *(f"+{name}" for name in (*MODELS, "matches", "record_pairs"))),
    *("--resource-type", "model", "--resource-type", "seed"),
)


def project(folder: Path) -> Path:
    """Copy the project, and switch suggestions on."""
    for part in ("models", "macros", "seeds"):
        shutil.copytree(ROOT / part, folder / part)
    shutil.copy(ROOT / "profiles.yml", folder)
    text = (ROOT / "dbt_project.yml").read_text()
    assert text.count("&suggestions false") == 1
    (folder / "dbt_project.yml").write_text(text.replace("&suggestions false", "&suggestions true"))
    (folder / "tests/models").mkdir(parents=True)
    return folder
