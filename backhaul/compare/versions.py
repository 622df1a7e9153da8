"""The two versions of the project: the one that git has under a name, and the working tree."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from activators.errors import ActivationError, Stopped


class CompareError(ActivationError):
    """The versions cannot be compared; the message says why and how to mend it."""


class CompareStopped(Stopped):
    """A signal ended the comparison; there is nothing to go on with."""

    def __init__(self, signal: int) -> None:
        super().__init__(signal)
        self.args = ("stopped; what it had built beside the tables is dropped",)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the project: how it is called, its folder, and dbt's manifest of it."""

    name: str
    root: Path
    manifest: Mapping[str, Any]

    def relocated(self, ids: frozenset[str], schemas: str) -> Version:
        """This version with those of its nodes in schemas of their own, whose names begin with `schemas`."""
        nodes = {
            unique_id: {**node, "schema": schemas + node["schema"]} if unique_id in ids else node
            for unique_id, node in self.manifest["nodes"].items()
        }
        return replace(self, manifest={**self.manifest, "nodes": nodes})


def resolve(root: Path, ref: str) -> str:
    """The commit that a name stands for. Raises CompareError when git knows none."""
    if _git(root, "rev-parse", "--is-inside-work-tree").stdout.strip() != "true":
        raise CompareError(f"{root}: not in a git work tree; run this in a clone of the project")
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if found.returncode:
        raise CompareError(f"--base {ref}: git knows no such commit here; fetch it, or name another one")
    return found.stdout.strip()


def check_out(root: Path, commit: str, folder: Path) -> None:
    """Write the project, as it was in a commit, into a folder. The work tree and git's index stay as they are."""
    folder.mkdir()
    archive = folder.with_suffix(".tar")
    # In a folder of the work tree, git archives that folder only, which is the project's.
    done = _git(root, "archive", "--format=tar", f"--output={archive}", commit)
    if done.returncode:
        raise CompareError(f"{commit[:12]}: git archive: {' '.join(done.stderr.split())}")
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")
    archive.unlink()
    if not (folder / "dbt_project.yml").exists():
        raise CompareError(f"{commit[:12]}: has no dbt_project.yml in this folder; name a commit that has the project")
    # What git does not have of a project: packages that are installed, and connections that are not shared.
    packages = root / "dbt_packages"
    if packages.is_dir() and not (folder / "dbt_packages").exists():
        (folder / "dbt_packages").symlink_to(packages.resolve(), target_is_directory=True)
    if not (folder / "profiles.yml").exists():
        shutil.copy(root / "profiles.yml", folder)


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    git = shutil.which("git")
    if git is None:
        raise CompareError("git is not installed, or not on the PATH; it has the version to compare with")
    return subprocess.run([git, "-C", str(root), *arguments], capture_output=True, text=True, check=False)
