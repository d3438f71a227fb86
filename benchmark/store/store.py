"""The store: where results lie, and the only module that knows.

    store = Store(Path("radpriv-store"))
    if (found := store.lookup(cell.id, fingerprint.digest)) is None: ...   # see pending_result.py
    found.record.certificate, found.table("test.parquet")

    cells/<cell id>/<fingerprint>/   finished cells, read-only    plans/    what a suite asked
    work/ attempts/                  running and failed runs      sources/  snapshots of plug-ins
    attacks/<attack id>/             finished attacks             secret    keys ids of gated data

Every private/ folder has mode 700 and its files 600, 400 once finished; so has the whole folder of
a cell of gated data, whose test scores and weights are about records that nobody else may see.
"""

from __future__ import annotations

import hashlib
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from radpriv.benchmark.registry import nearest_start
from radpriv.benchmark.store import plan_schema
from radpriv.benchmark.store.atomic import (
    atomic_write,
    make_folder,
    read_json,
    read_parquet,
    storing,
    sweep,
    write_json,
    write_parquet,
)
from radpriv.benchmark.store.pending_result import LEDGER, REASON, PendingResult
from radpriv.benchmark.store.plan_schema import Plan
from radpriv.benchmark.store.results import (
    SCHEMA,
    Attempt,
    Finished,
    FinishedCell,
    Reason,
    attack_at,
    cell_at,
    folders_in,
    safe,
    typed,
)
from radpriv.benchmark.store.schema import read, write
from radpriv.errors import StoreError

__all__ = [
    "SCHEMA",
    "Attempt",
    "Finished",
    "PendingResult",
    "Store",
    "atomic_write",
    "read_json",
    "read_parquet",
    "write_json",
    "write_parquet",
]


class Store:
    """Results under one folder. Opening writes nothing but removes leftovers of killed writers."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        with storing(self.root):
            is_file = self.root.exists() and not self.root.is_dir()
        if is_file:
            raise StoreError(f"{self.root}: a file, not a folder; give the store another place")
        self.sweep()

    def check_there(self, suite: str = "SUITE", so: str = "") -> None:
        """StoreError where there is no folder: nothing was ever run into it. so: what follows."""
        if not self.root.is_dir():
            raise StoreError(
                f"{self.root}: no store is there{so}; run `radpriv run {suite}` first, or name "
                "another by --store"
            )

    def sweep(self) -> list[Path]:
        """Remove temporary files of killed writers; never one in use. Those removed."""
        removed = sweep(self.root) + sweep(self.root / "work", recurse=True)
        for flat in ("plans", "sources"):
            removed += sweep(self.root / flat, recurse=True)
        return removed

    # Cells.

    def cell_folder(self, cell_id: str, fingerprint: str) -> Path:
        return self.root / "cells" / safe(cell_id, "cell id") / safe(fingerprint, "fingerprint")

    def lookup(self, cell_id: str, fingerprint: str) -> FinishedCell | None:
        """The finished cell, None if there is none, StoreError if it is damaged."""
        return cell_at(cell_id, fingerprint)(self.cell_folder(cell_id, fingerprint))

    def begin(
        self,
        cell_id: str,
        fingerprint: str,
        wait: float | None = None,
        resume: Callable[[Path], bool] | None = None,
        closed: bool = False,
    ) -> PendingResult[FinishedCell]:
        """Work on a cell under its lock. wait: seconds for another process, None: to its end.

        resume, closed: see `PendingResult`.
        """
        target = self.cell_folder(cell_id, fingerprint)
        return PendingResult(
            self.root / "work" / cell_id / fingerprint,
            target,
            self.root / "attempts" / cell_id / fingerprint,
            cell_at(cell_id, fingerprint),
            wait,
            resume,
            closed,
        )

    def cells(self) -> Iterator[Path]:
        """Folders of finished cells, sorted."""
        for cell in folders_in(self.root / "cells"):
            yield from folders_in(cell)

    def open(self, folder: Path) -> FinishedCell:
        """The finished cell in one of the folders of `cells` or `resolve`."""
        found = self.lookup(folder.parent.name, folder.name)
        if found is None:
            raise StoreError(f"{folder}: no finished cell; run it first")
        return found

    def resolve(self, text: str) -> list[Path]:
        """Folders of the finished cell whose id is `text` or alone starts with it.

        Empty for a cell that was tried and never finished; StoreError for one never heard of.
        """
        return folders_in(self.root / "cells" / self.cell_id(text))

    def known(self) -> list[str]:
        """Ids of the cells that were finished, tried or begun, sorted."""
        places = [self.root / part for part in ("cells", "attempts", "work")]
        names = {folder.name for place in places for folder in folders_in(place)}
        return sorted(names - {"attacks"})

    def cell_id(self, text: str) -> str:
        """The one cell id in `known` that is `text` or starts with it."""
        self.check_there(so=f", so no cell is called '{text}'")
        known = self.known()
        hits = [name for name in known if name == text] or [
            name for name in known if text and name.startswith(text)
        ]
        if len(hits) == 1:
            return hits[0]
        if hits:
            listed = ", ".join(hits[:5]) + (", …" if len(hits) > 5 else "")
            raise StoreError(f"'{text}' fits {len(hits)} cells; give more of one: {listed}")
        raise StoreError(f"no cell is called '{text}' in {self.root}{nearest_start(text, known)}")

    def attempts(self, cell_id: str) -> list[Attempt]:
        """Runs of a cell that ended without a result, oldest first."""
        found = []
        for place in folders_in(self.root / "attempts" / safe(cell_id, "cell id")):
            for folder in folders_in(place):
                why = read(Reason, folder / REASON)
                ledger = folder / LEDGER
                releases = len(ledger.read_bytes().splitlines()) if ledger.is_file() else 0
                found.append(Attempt(folder, place.name, why, releases))
        return sorted(found, key=lambda attempt: (attempt.why.when, attempt.folder))

    # Plans and plug-ins.

    def write_plan(self, plan: Plan) -> Path:
        path = self.root / "plans" / f"{safe(plan.suite, 'plan')}.json"
        write(path, plan)
        return path

    def plans(self) -> list[str]:
        """Names of the plans, sorted."""
        return sorted(p.stem for p in (self.root / "plans").glob("[!.]*.json"))

    def read_plan(self, name: str) -> Plan:
        """What a suite asked for; StoreError for a name that no plan has."""
        path = self.root / "plans" / f"{safe(name, 'plan')}.json"
        if not path.is_file():
            self.check_there(name)
            raise StoreError(
                f"no plan called '{name}' in {self.root}; run `radpriv run {name}` first"
                f"{nearest_start(name, self.plans())}"
            )
        return typed(Plan, path, {"suite": name}, plan_schema.SCHEMA, "run its suite again")

    def kept_sources(self, name: str) -> list[Path]:
        """The snapshots of plug-in files of this name, sorted by content."""
        return sorted(p for p in (self.root / "sources").glob("*/*") if p.name == name)

    def keep_source(self, path: Path) -> Path:
        """A snapshot of a plug-in file, for workers to load; named by its content."""
        with storing(path):
            data = path.read_bytes()
        kept = self.root / "sources" / hashlib.sha256(data).hexdigest() / path.name
        if not kept.is_file():
            atomic_write(kept, data)
        return kept

    # Attacks.

    def attack_ids(self) -> list[str]:
        """Of all finished attacks, sorted."""
        return [folder.name for folder in folders_in(self.root / "attacks")]

    def attack_folder(self, attack_id: str) -> Path:
        return self.root / "attacks" / safe(attack_id, "attack id")

    def lookup_attack(self, attack_id: str) -> Finished[dict[str, Any]] | None:
        """The finished attack, None if there is none, StoreError if it is damaged."""
        return attack_at(attack_id)(self.attack_folder(attack_id))

    def finish_attack(
        self, attack_id: str, write: Callable[[Path], None], closed: bool = False
    ) -> Finished[dict[str, Any]]:
        """Have `write` fill a folder (result.json at least) and rename it into place.

        Under a lock; an attack that is there already is returned as it is, and `write` not called.
        closed: see `PendingResult`.
        """
        work = PendingResult(
            self.root / "work" / "attacks" / safe(attack_id, "attack id"),
            self.attack_folder(attack_id),
            self.root / "attempts" / "attacks" / attack_id,
            attack_at(attack_id),
            closed=closed,
        )
        with work:
            if work.done is None:
                write(work.folder)
            return work.finish()

    def secret(self) -> bytes:
        """32 random bytes of this store, for the HMAC of gated data; made once, mode 600."""
        path = self.root / "secret"
        if not path.is_file():
            with storing(path):
                make_folder(self.root / "work")
                with FileLock(self.root / "work" / "secret.lock"):
                    if not path.is_file():
                        atomic_write(path, secrets.token_bytes(32), mode=0o600)
        with storing(path):
            data, mode = path.read_bytes(), stat.S_IMODE(path.stat().st_mode)
        if len(data) != 32:
            raise StoreError(f"{path}: damaged ({len(data)} bytes, not 32); restore it")
        if mode & 0o077:
            raise StoreError(f"{path}: others may read it; run `chmod 600 {path}`")
        return data
