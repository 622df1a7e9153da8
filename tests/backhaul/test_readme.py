"""What the README shows is what the program does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()
DOCS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "CONTRIBUTING.md",
    ROOT / "sandbox" / "README.md",
]
# What differs from run to run: addresses, names made of the time, seconds, and what HubSpot's index already shows.
CHANGING = [
    (r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:PORT"),
    (r"\d{8}T\d{6}(?:\.\d{6})?Z-[0-9a-f]{6}", "TIME-ID"),
    (r"(?m)^(hubspot|salesforce|pendo|ledger) +[\d,]+ +\d+\.\d.*$", r"\1 ROWS"),
    (r"(?m)^Landed .*$", "Landed"),
    (r"(?m)^(Step .*|\d\. .*|In all.*?) +(Seconds|\d+\.\d)$", r"\1"),
    (r"(?m)^(Warehouse|Plans|Journal|dbt docs) .*$", r"\1"),
    (r"(?m) +$", ""),
]


def unchanging(text: str) -> str:
    for pattern, replacement in CHANGING:
        text = re.sub(pattern, replacement, text)
    return text


@pytest.mark.timeout(600)
def test_the_demo_prints_what_the_readme_shows(tmp_path: Path) -> None:
    shown = re.search(r"<!-- demo -->\n```\n(.*?)\n```\n<!-- /demo -->", README, re.DOTALL)
    assert shown is not None
    paths = {"BACKHAUL_WAREHOUSE": "warehouse.duckdb", "BACKHAUL_STATE": "state", "DBT_TARGET_PATH": "target"}
    # Settings of a real account must not reach the demo, nor the demo a real account.
    real = {"HUBSPOT_ACCESS_TOKEN": "pat-real", "HUBSPOT_BASE_URL": "http://127.0.0.1:9"}
    env = os.environ | real | {name: str(tmp_path / path) for name, path in paths.items()}
    command = [sys.executable, "-m", "backhaul", "demo"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert unchanging(done.stdout.strip()).splitlines() == unchanging(shown[1]).splitlines()
    assert (tmp_path / "target" / "static_index.html").stat().st_size > 1_000_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state", "target", "warehouse.duckdb"]


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_every_command_in_the_docs_exists() -> None:
    commands = {name for path in DOCS for name in re.findall(r"\bbackhaul (load|[a-z]+)(?=[\s`])", path.read_text())}
    listed = subprocess.run(
        [sys.executable, "-m", "backhaul", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    existing = set(re.findall(r"(?m)^│ (\w+) ", listed))
    assert {"load", "plan", "apply", "provision", "demo"} <= existing
    assert commands <= existing


def test_every_setting_in_the_docs_is_read() -> None:
    settings = (ROOT / "backhaul" / "settings.py").read_text()
    named = set(
        re.findall(r"`((?:BACKHAUL|HUBSPOT|SALESFORCE|PENDO)_[A-Z_]+)`", (ROOT / "docs" / "accounts.md").read_text())
    )
    assert len(named) == 10
    assert all(f'"{name}"' in settings for name in named)
