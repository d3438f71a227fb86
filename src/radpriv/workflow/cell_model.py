"""The saved model of a finished cell, found by the cell's id alone: neither suite nor data is read
again, but for the folder that a local encoder lies in.

    model = CellModel.open(store, "openi.minilm.dp_lora.eps1.s0")    # an id, or the start of one
    model.query(texts)                                               # float32 (n, L), logits
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radpriv.attacks.inputs.saved_model import Saved
from radpriv.benchmark.encoders.encoders import Encoder, encoders, resolve
from radpriv.benchmark.methods.method import Method, methods
from radpriv.benchmark.plugin_guard import staying
from radpriv.benchmark.runs.run_plan import ending
from radpriv.benchmark.store.atomic import storing
from radpriv.benchmark.store.cell_schema import Provenance
from radpriv.benchmark.store.import_closure import read as read_source
from radpriv.benchmark.store.results import PROVENANCE, FinishedCell
from radpriv.benchmark.store.schema import read
from radpriv.benchmark.store.store import Store
from radpriv.benchmark.suites.suite import read_suite
from radpriv.errors import EncoderError, RadprivError, StoreError, kind_and_place

PLUGIN_LABEL = "plug-in "
"""Before the file name of a plug-in, among the modules of a record's "how"."""


@dataclass(frozen=True)
class CellModel:
    """A finished cell, its encoder if it has one, and the saved model."""

    cell: FinishedCell
    encoder: Encoder | None
    saved: Saved = field(repr=False)

    @staticmethod
    def open(store: Store, text: str, encoder: str = "") -> CellModel:
        """The model of the one cell called `text`, not loaded yet.

        encoder: a folder or hub-id@revision, where the cell's own is not found by its name.

        Raises:
            StoreError: no such cell, several, or one that kept no model.
            EncoderError: its encoder is not here, or `encoder` is another one.
            RadprivError: its method is not here.
        """
        cell = find_cell(store, text)
        method = _method(store, cell)
        found = _encoder(store, cell, encoder)
        return CellModel(cell, found, Saved(cell.folder / "model", method, found))

    @property
    def id(self) -> str:
        return self.cell.record.cell_id

    @property
    def labels(self) -> tuple[str, ...]:
        return self.cell.record.label_names

    @property
    def thresholds(self) -> NDArray[np.float32]:
        """(labels,), in logits: what is above is positive."""
        return np.asarray(self.cell.record.thresholds, np.float32)

    @property
    def control(self) -> bool:
        """Whether it was trained on flipped labels, so that it must leak."""
        return self.cell.record.cell.audit.canaries == "mislabelled"

    def query(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32 (n, L): logits of any texts. StoreError without a word of them."""
        try:
            with staying():
                logits = np.asarray(self.saved.query(texts), np.float32)
        except RadprivError:
            raise
        except (Exception, SystemExit) as error:  # its words may quote a report
            raise StoreError(
                f"{self.id}: its model ended with {kind_and_place(error)}, and gave no answer"
            ) from None
        if logits.shape != (len(texts), len(self.labels)) or not np.isfinite(logits).all():
            raise StoreError(f"{self.id}: its model gave no finite logit for each text and label")
        return logits


def find_cell(store: Store, text: str) -> FinishedCell:
    """The one finished cell whose id is, or begins with, `text`; ID/FINGERPRINT where it was
    computed in several ways. StoreError if there is none, or it kept no model."""
    name, _, how = text.partition("/")
    folders = [f for f in store.resolve(name) if f.name.startswith(how)]
    if not folders:
        what = f"was not computed as '{how}'" if how else "never finished"
        raise StoreError(f"the cell '{name}' {what}; `radpriv why {name}` says more")
    if len(folders) > 1:
        listed = ", ".join(f"{f.parent.name}/{f.name} ({_when(f)})" for f in folders)
        raise StoreError(f"'{text}' was computed in {len(folders)} ways; give one of: {listed}")
    found = store.open(folders[0])
    if not found.record.done:
        why = ending(found.record)
        raise StoreError(
            f"{folders[0].parent.name} ended as {found.record.status}: {why}; it kept no model"
        )
    with storing(found.folder):
        there = (found.folder / "model").is_dir()
    if not there:
        raise StoreError(
            f"{found.folder}: without model/, so this store is a copy that shows results alone; "
            "work where the cell was run, or copy model/ too"
        )
    return found


def _when(folder: Path) -> str:
    try:
        return f"of {read(Provenance, folder / PROVENANCE).finished}"
    except StoreError:
        return "of an unknown date"


def _method(store: Store, cell: FinishedCell) -> Method:
    """The method with the cell's parameters; of a plug-in file, from the snapshot in the store."""
    name = cell.record.cell.method
    if name not in methods.names():
        for path in _snapshots(store, cell):
            methods.load_file(path)
    kind: Any = methods.get(name)
    asked = cell.record.cell.params.items()
    try:
        made: Method = kind(**{k: _as(value, getattr(kind, k, None)) for k, value in asked})
    except TypeError as error:
        raise StoreError(
            f"{cell.folder}: method '{name}' has other parameters now than when the cell was run; "
            "use it with the version that ran it, or run it again"
        ) from error
    return made


def _as(value: Any, default: Any) -> Any:
    """A parameter as it was before JSON, which has neither infinity nor tuples."""
    if value == "inf" and isinstance(default, float):
        return math.inf
    return tuple(value) if isinstance(default, tuple) else value


def _snapshots(store: Store, cell: FinishedCell) -> list[Path]:
    """One file for each plug-in that the cell was computed with, out of those that were kept."""
    found = []
    for label, sha256 in cell.record.how.modules.items():
        if label.startswith(PLUGIN_LABEL):
            file = label.removeprefix(PLUGIN_LABEL).rstrip("'")
            kept = store.kept_sources(file)
            found += [path for path in kept if read_source(path).sha256 == sha256][:1]
    return found


def _encoder(store: Store, cell: FinishedCell, given: str) -> Encoder | None:
    """The encoder that the cell was trained on, whose files must be the same byte for byte."""
    asked = cell.record.encoder
    if asked is None:
        if given:
            raise EncoderError(f"{cell.record.cell_id}: its method uses no encoder; give none")
        return None
    if given:
        found = resolve(given, asked.pretrained_on)
        if found.sha256 != asked.sha256:
            raise EncoderError(
                f"encoder '{given}' has SHA-256 {found.sha256[:12]}…, and the cell was trained on "
                f"'{asked.name}' with {asked.sha256[:12]}…; give that one"
            )
        return found
    for name in dict.fromkeys(_names(store, cell)):
        try:
            found = resolve(name, asked.pretrained_on)
        except RadprivError:
            continue
        if found.sha256 == asked.sha256:
            return found
    raise EncoderError(
        f"encoder '{asked.name}' with SHA-256 {asked.sha256[:12]}…, on which "
        f"{cell.record.cell_id} was trained, is not found here; give its folder by --encoder"
    )


def _names(store: Store, cell: FinishedCell) -> Iterator[str]:
    """What the encoder may be called here: its own name, then what suites with the cell call it."""
    asked = cell.record.encoder
    if asked is None:
        return
    if asked.name in encoders.names():
        yield asked.name
    elif "--" in asked.name and asked.revision != "local":
        yield f"{asked.name.replace('--', '/', 1)}@{asked.revision}"
    for plan_name in store.plans():
        try:
            plan = store.read_plan(plan_name)
            if cell.record.cell_id not in {entry.cell_id for entry in plan.cells}:
                continue
            words = plan.asked
            given = [words.encoder] if words.encoder else read_suite(words.suite).encoders
            yield from (name for name in given if _called(name) == asked.name)
        except RadprivError:
            continue  # the suite has moved, or the plan is damaged: neither is needed


def _called(name: str) -> str:
    """How `resolve` calls the encoder of a folder or of the hub."""
    path = name.partition("@")[0]
    return Path(path).resolve().name if Path(path).is_dir() else path.replace("/", "--")
