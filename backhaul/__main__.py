"""`python -m backhaul`."""

from backhaul.cli import run

run()
