"""`python -m backhaul`."""

from backhaul.cli import run

try:
    run()
finally:
    # When Ctrl-C has struck while Python was running a text, such as the methods of a dataclass, `python -m` dies of it
    # in the end, although it was caught: the exit code would be lost. Another text makes it forget.
    exec("")  # noqa: S102
