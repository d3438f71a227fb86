"""A result in the making: one folder, one lock, one of three ends.

    with store.begin(cell_id, fingerprint) as work:
        if work.done is None:                 # nobody finished it while we waited for the lock
            ...                               # write into work.folder
            work.finish()                     # or work.fail("diverging input", "a sentence")

finish   the folder is synced, made read-only and renamed into place: whole or absent.
fail     its ledger and the reason move to store/attempts/; the rest is deleted. Leaving the block
         by an exception, or without finishing, counts as a failure.
killed   nothing runs any more, so the next worker finds the folder and does the same for it.

The lock is the kernel's: it dies with its process, so none is ever stale.

What is computed from gated data is *closed*: its folder has mode 700 and its files 400 whatever the
umask, and a reason that may name one of its records is not kept.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

from filelock import FileLock, Timeout

from radpriv.benchmark.store.atomic import (
    PRIVATE,
    make_folder,
    storing,
    sweep,
    sync_folder,
)
from radpriv.benchmark.store.results import Reason
from radpriv.benchmark.store.schema import write
from radpriv.errors import DataError, RadprivError, StoreError, kind_and_place

LEDGER = "ledger.jsonl"
REASON = "reason.json"
WITHHELD = "its data could not be read; what names a record is printed and not kept: run it again"
"""Kept in place of a fault in gated data."""
_FULL = ("No space left on device", "os error 28", "Disk quota exceeded", "os error 122")

T = TypeVar("T")


class PendingResult(Generic[T]):
    """A folder to fill under a lock, made fresh; enter it with `with`.

    folder: where to write; its private/ has mode 700.  target: where it ends.
    find: the finished result at `target` or None; also checks a result before it is renamed there.
    attempts: where ledger and reason of a failure go.  wait: seconds to wait for another process
    that holds the lock; None for as long as it takes.
    resume: whether a folder that a killed process left holds a run that can go on.
    resumed: whether it did; the folder then holds its private/ and its ledger.
    closed: whether all of it is for the owner alone, not private/ only.
    """

    done: T | None = None
    resumed = False

    def __init__(
        self,
        folder: Path,
        target: Path,
        attempts: Path,
        find: Callable[[Path], T | None],
        wait: float | None = None,
        resume: Callable[[Path], bool] | None = None,
        closed: bool = False,
    ) -> None:
        self._resume, self._closed = resume, closed
        self.folder, self.target, self.attempts = folder, target, attempts
        self._find, self._wait = find, wait
        self._lock = FileLock(folder.with_name(f"{folder.name}.lock"))
        self._holder = folder.with_name(f"{folder.name}.pid")
        self._over = False

    def __enter__(self) -> Self:
        with storing(self.folder):
            make_folder(self.folder.parent)
            self._acquire()
            try:
                self._holder.write_text(f"{os.getpid()}\n")
                self.resumed = bool(
                    self._resume and self.folder.is_dir() and self._resume(self.folder)
                )
                if self.resumed:  # what a run writes at its end is written anew
                    _keep(self.folder, PRIVATE, LEDGER)
                else:
                    _retire(
                        self.folder,
                        self.attempts,
                        "killed",
                        "the process ended before the run did; run again",
                    )
                make_folder(self.folder / PRIVATE)
                if self._closed:
                    self.folder.chmod(0o700)
                self.done = self._find(self.target)
            except BaseException:
                self._lock.release()
                raise
        return self

    def _acquire(self) -> None:
        try:
            self._lock.acquire(timeout=-1 if self._wait is None else self._wait)
        except Timeout:
            holder = "unknown"
            with suppress(OSError):
                holder = self._holder.read_text().strip()
            raise StoreError(
                f"{self.target}: process {holder} is computing it; wait until it ends, or end it"
            ) from None

    def finish(self) -> T:
        """Rename the folder into place; the finished result (another's, where one came first)."""
        with storing(self.folder):
            if self.done is None:
                if self._find(self.folder) is None:
                    raise StoreError(f"{self.folder}: finished without a result; write it first")
                sweep(self.folder, recurse=True)
                _seal(self.folder, self._closed)
                make_folder(self.target.parent)
                try:
                    os.rename(self.folder, self.target)
                except OSError as error:
                    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                        raise
                for folder in (self.target.parent, self.target.parent.parent):
                    sync_folder(folder)
                self.done = self._find(self.target)
            _remove(self.folder)
            self._over = True
        if self.done is None:
            raise StoreError(f"{self.target}: vanished as it was finished; run again")
        return self.done

    def _goes_on(self, error: BaseException | None) -> bool:
        """Whether this stop is none of the run's making, and it can go on where it was."""
        stopped = isinstance(error, KeyboardInterrupt | SystemExit | StoreError)
        if not (stopped or (error is not None and disk_is_full(error))):
            return False
        return self._resume is not None and self.folder.is_dir() and self._resume(self.folder)

    def fail(self, kind: str, reason: str) -> None:
        """Keep the ledger and the reason; `reason` is public, so it quotes no record."""
        with storing(self.folder):
            _retire(self.folder, self.attempts, kind, reason, always=True)
            self._over = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if not self._over and self.done is not None:
                _remove(self.folder)
            elif not self._over and not self._goes_on(error):
                # On a full disk this may fail too: the folder then stays for the next worker.
                with suppress(StoreError):
                    self.fail(*_reason(error, self._closed))
            with suppress(OSError):
                self._holder.unlink(missing_ok=True)
        finally:
            self._lock.release()
        if error is not None and not isinstance(error, RadprivError) and disk_is_full(error):
            raise StoreError(
                f"{self.folder}: no space is left; free some and run again, finished results are "
                "kept"
            ) from error


def disk_is_full(error: BaseException) -> bool:
    """Also where a library (safetensors, Arrow) wraps the error in one of its own."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return any(text in str(error) for text in _FULL)


def _reason(error: BaseException | None, closed: bool) -> tuple[str, str]:
    """Kind and sentence. A foreign exception's message may quote a record, so it is not kept."""
    if error is None:
        return "failed", "the run ended without a result"
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return "interrupted", "the run was interrupted; run again"
    if isinstance(error, RadprivError):
        return "failed", kept_words(error, closed)
    if disk_is_full(error):
        return "disk full", "no space was left; free some and run again"
    return "failed", kind_and_place(error)


def _retire(folder: Path, attempts: Path, kind: str, reason: str, always: bool = False) -> None:
    """Move what must outlive a dead run to `attempts`/<moment>/; nothing else of it stays.

    Without releases nothing must, unless `always`. A reason that was being written when the
    process died stands. Interrupted anywhere, it can be done again.
    """
    if not folder.is_dir():
        return
    ledger = folder / LEDGER
    told = (folder / REASON).is_file()
    if not (always or told or (ledger.is_file() and ledger.stat().st_size)):
        _remove(folder)
        return
    if (folder / PRIVATE).is_dir():
        # At once and without taking space: with its checkpoints half removed, or none of them yet,
        # a run that ends as a failure would look like one that can go on.
        os.rename(folder / PRIVATE, folder / f"{PRIVATE}.gone")
    _keep(folder, LEDGER, REASON)
    now = datetime.now(UTC)
    if not told:
        when = now.isoformat(timespec="seconds")
        write(folder / REASON, Reason(kind, reason, when))
    make_folder(attempts)
    os.rename(folder, attempts / f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}")
    sync_folder(attempts)


def _keep(folder: Path, *names: str) -> None:
    for entry in folder.iterdir():
        if entry.name not in names:
            _remove(entry)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def kept_words(error: RadprivError, gated: bool) -> str:
    """What of a fault is kept in the store: it may name a record, which gated data forbids."""
    return WITHHELD if gated and isinstance(error, DataError) else str(error)


def _seal(folder: Path, closed: bool) -> None:
    """Everything on disk and read-only; what lies in private/, or all, for the owner alone."""
    for base, _, names in os.walk(folder, topdown=False):
        private = closed or PRIVATE in Path(base).relative_to(folder).parts
        for name in names:
            path = Path(base, name)
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(0o400 if private else mode & ~0o222)
        if private:
            Path(base).chmod(0o700)
        sync_folder(Path(base))
