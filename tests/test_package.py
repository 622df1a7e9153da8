from __future__ import annotations

import zipfile
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

from tests.conftest import ROOT

PACKAGES = ("backhaul", "loaders", "activators", "sandbox")


def test_the_wheel_has_every_file_that_runs(tmp_path: Path) -> None:
    """Templates, too: a page could not be made without its own."""
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    needed = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc" and path.name != "README.md"
    }
    assert needed - packed == set()
    assert "backhaul/templates/plan.html" in packed
