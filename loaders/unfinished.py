"""The answers of long reads, kept on disk until they are landed: a load that dies has not read for nothing.

Each read has a file, in a folder of the vendor's: a line with a digest of what was asked, and then the answers in
order. Each is a line of JSON with its size, its sum, when it was given and the place where the read goes on behind it,
and then the answer, compressed. A file ends where an answer was cut off.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any, Self
from zlib import crc32

import orjson
import pyarrow as pa

from loaders.calls import Answer
from loaders.values import LoadError, Refused

# Where a read goes on, as JSON: None at its beginning, and behind its end.
Place = Any
# From a place on: answers, and the place behind each.
Read = Callable[[Place], Iterator[tuple[Answer, Place]]]

CODEC = pa.Codec("zstd", compression_level=1)


class Unfinished:
    """A vendor's folder: what loads have read and not landed. LoadError if another load uses it.

    Who holds the lock file beside the folder has it. That file stays: a load that had opened it just before it was
    removed would hold one that no other load sees.

    `oldest` is when the first of the answers was given that an earlier load had kept and this one goes on with: what is
    behind them may have changed since. None if this load has asked for everything itself. `working` is a folder of
    this load's own. `may_go_on` says of an error that ends the load whether the next one may go on with what was read.
    """

    def __init__(self, folder: Path, may_go_on: Callable[[Exception], bool] = lambda _: True) -> None:
        self.oldest: datetime | None = None
        self.working = folder / "working"
        self._folder = folder
        self._may_go_on = may_go_on
        self._lock = folder.with_name(f"{folder.name}.lock")
        self._held: IO[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            lock = self._lock.open("wb")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                raise LoadError(f"another load of {self._folder.name} is running: wait for its end") from None
            self._held = lock
            self._folder.mkdir(mode=0o700, exist_ok=True)
            # A load that died had no time for it.
            shutil.rmtree(self.working, ignore_errors=True)
            self.working.mkdir()
        except OSError as error:
            raise LoadError(f"{self._folder} cannot be written: {error.strerror}") from error
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Exception) and not self._may_go_on(error):
            self.forget()
        shutil.rmtree(self.working, ignore_errors=True)
        if not any(self._folder.glob("*.answers")):
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._held is not None:
            self._held.close()

    def forget(self) -> None:
        """Drop what was kept: it is landed, or of no use."""
        for path in self._folder.glob("*.answers"):
            path.unlink()

    def answers(self, name: str, asked: object, now: datetime, old: timedelta, read: Read) -> Iterator[Answer]:
        """Give the answers of a read, and keep them; first those that an earlier load has kept of the same question.

        They are of no use when the first of them is so old, or younger than the vendor's `now`, and when the vendor
        does not go on behind the last of them.
        """
        # What is asked may be a million ids.
        question = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY)
        log = _Log(self._folder / f"{name}.answers", hashlib.sha256(question).hexdigest().encode())
        try:
            with log.path.open("a+b") as file:
                following = self._following(log, file, now, old, read)
                yield from log.replayed(file)
                for answer, place in following:
                    entry = _entry(answer, place)
                    yield answer
                    # Now that the answer was used: one that is no good must not be given to the next load, too.
                    file.write(entry)
                    file.flush()
        except OSError as error:
            raise LoadError(f"{log.path} cannot be written: {error.strerror or error}") from error

    def _following(
        self, log: _Log, file: IO[bytes], now: datetime, old: timedelta, read: Read
    ) -> Iterator[tuple[Answer, Place]]:
        """Find what comes behind the answers that were kept; none of them is left in the file if they are of no use."""
        kept = log.scan(file)
        if kept is not None and timedelta() <= now - kept.began < old:
            if kept.place is None:
                self._go_on(kept)
                return iter(())
            going_on = read(kept.place)
            try:
                first = next(going_on, None)
            except Refused:
                pass
            else:
                self._go_on(kept)
                return _behind(first, going_on)
        log.start(file)
        return read(None)

    def _go_on(self, kept: _Kept) -> None:
        self.oldest = kept.began if self.oldest is None else min(self.oldest, kept.began)


def from_the_beginning(read: Read) -> Iterator[Answer]:
    """Give the answers of a read that is not kept."""
    return (answer for answer, _ in read(None))


def _behind(first: tuple[Answer, Place] | None, rest: Iterator[tuple[Answer, Place]]) -> Iterator[tuple[Answer, Place]]:
    if first is not None:
        yield first
    yield from rest


@dataclass(frozen=True, slots=True)
class _Kept:
    """When the first answer in a file was given, and the place behind the last one."""

    began: datetime
    place: Place


@dataclass(frozen=True, slots=True)
class _Log:
    """One read's file."""

    path: Path
    asked: bytes

    def scan(self, file: IO[bytes]) -> _Kept | None:
        """Read what is kept, and cut off what is not whole; None if there is no answer to this question."""
        file.seek(0)
        if file.readline() != self.asked + b"\n":
            return None
        kept: _Kept | None = None
        end = file.tell()
        for head, _ in _entries(file):
            kept = _Kept(kept.began if kept else datetime.fromisoformat(head["at"]), head["place"])
            end = file.tell()
        file.truncate(end)
        return kept

    def start(self, file: IO[bytes]) -> None:
        """Begin anew."""
        file.truncate(0)
        file.write(self.asked + b"\n")
        file.flush()

    def replayed(self, file: IO[bytes]) -> Iterator[Answer]:
        """Give the answers that are kept."""
        file.seek(0)
        file.readline()
        for head, packed in _entries(file):
            body = orjson.loads(CODEC.decompress(packed, head["bytes"], asbytes=True))
            yield Answer(body, datetime.fromisoformat(head["at"]), head["call"])


def _entry(answer: Answer, place: Place) -> bytes:
    """Make what stands in a file for an answer."""
    body = orjson.dumps(answer.body)
    packed: bytes = CODEC.compress(body, asbytes=True)
    head = {
        "size": len(packed),
        "sum": crc32(packed),
        "bytes": len(body),
        "at": answer.at.isoformat(),
        "call": answer.call,
        "place": place,
    }
    return orjson.dumps(head) + b"\n" + packed


def _entries(file: IO[bytes]) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Read the entries of a file from where it stands, up to the first that is not whole."""
    while line := file.readline():
        try:
            head = orjson.loads(line)
            packed = file.read(head["size"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return
        if len(packed) != head["size"] or crc32(packed) != head["sum"]:
            return
        yield head, packed
