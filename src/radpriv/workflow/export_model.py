"""A finished cell's model as a folder of its own, to be loaded without radpriv.

    made = export(Store(Path("radpriv-store")), "openi.minilm.dp_lora.eps1.s0", Path("model"))
    made.folder / "README.md"            # ten lines that classify one report

Weights that were learned from reports are shared only where the dataset's card lets results about
single reports leave, which is the policy "open". Before the folder is renamed into place it is read
back by transformers and peft alone, and must answer as the cell's own model does.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radpriv.benchmark.public_sentences import PUBLIC_SENTENCES
from radpriv.benchmark.store.atomic import atomic_write, make_folder, storing, write_json
from radpriv.benchmark.store.store import Store
from radpriv.errors import StoreError, kind_and_place
from radpriv.workflow.cell_model import CellModel
from radpriv.workflow.export_files import COPY, write_model
from radpriv.workflow.export_page import ABOUT, about, notes, readme, sentences
from radpriv.workflow.export_reader import read_back

TOLERANCE = 1e-4
"""Of logits, between a model and its export: rounding, with room for other kernels."""


@dataclass(frozen=True)
class Exported:
    """folder: with `files` in it. base: its encoder, "encoder" (a copy), hub-id@revision or "".

    notes: what nobody should overlook, a sentence each, in Markdown; the README has them too.
    """

    cell_id: str
    folder: Path
    files: tuple[str, ...]
    base: str
    notes: tuple[str, ...]


def export(
    store: Store | Path, cell: str, folder: Path, encoder: str = "", with_encoder: bool = False
) -> Exported:
    """Write the model of a cell into a folder, whole or not at all; the same bytes each time.

    Args:
        store: a store, or its folder.
        cell: a cell id, or the start of one.
        folder: absent or empty.
        encoder: a folder or hub-id@revision, where the cell's encoder is not found by its name.
        with_encoder: copy the encoder's weights also where the hub has them.

    Raises:
        StoreError: no such cell, a model that may not or cannot be exported, or a folder in use.
        EncoderError: the encoder of the cell is not here.
        AttackError: its saved model cannot be loaded.
    """
    _refuse_used(folder)
    model = CellModel.open(store if isinstance(store, Store) else Store(store), cell, encoder)
    _refuse_closed(model)
    with _new_folder(folder) as place:
        files = write_model(model.saved.fitted, place, model.encoder, with_encoder)
        if files is None:
            raise StoreError(
                f"{model.id}: a model of '{model.cell.record.cell.method}' cannot be "
                "exported: an adapter, a linear head on an encoder and a linear model of hashed "
                "words can; `radpriv predict` uses it here"
            )
        copied = files.base == COPY
        write_json(place / ABOUT, about(model, files.kind, files.base, files.how))
        page = readme(model.id, sentences(model, copied), files.code, files.packages)
        atomic_write(place / "README.md", page.encode())
        base = place / COPY if copied else model.encoder.folder if model.encoder else None
        _check(model, place, base)
        names = sorted(str(p.relative_to(place)) for p in place.rglob("*") if p.is_file())
    return Exported(model.id, folder, tuple(names), files.base, tuple(notes(model, copied)))


def _refuse_closed(model: CellModel) -> None:
    """StoreError for what the card keeps here, and for what nobody should use."""
    record = model.cell.record
    if (policy := record.card.release) != "open":
        raise StoreError(
            f"{model.id}: trained on '{record.cell.dataset}', whose release policy is "
            f"'{policy}', and weights learned from single reports are shared under 'open' alone; "
            "`radpriv predict` uses the model here"
        )
    if model.control:
        raise StoreError(
            f"{model.id}: this is the positive control, trained on flipped labels so that it "
            "leaks; export another cell"
        )


def _refuse_used(folder: Path) -> None:
    with storing(folder):
        there = folder.exists() or folder.is_symlink()
        if there and not (folder.is_dir() and not any(folder.iterdir())):
            raise StoreError(f"{folder}: is there and not empty; give a new or an empty folder")


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` that is renamed onto it at the end; after an error, nothing."""
    target = folder.resolve()
    place = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(8)}.tmp")
    with storing(folder):
        make_folder(target.parent)
        place.mkdir()
    try:
        yield place
        with storing(folder):
            os.rename(place, target)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _check(model: CellModel, place: Path, base: Path | None) -> None:
    """StoreError unless the export answers as the model does, on public sentences."""
    expected = model.query(PUBLIC_SENTENCES)
    try:
        found = read_back(place, base, PUBLIC_SENTENCES)
    except Exception as error:
        raise StoreError(
            f"{model.id}: what was exported cannot be loaded ({kind_and_place(error)}), so nothing "
            "was kept of it; --debug shows the traceback"
        ) from error
    off = float(np.abs(found - expected).max())
    if not off <= TOLERANCE:
        raise StoreError(
            f"{model.id}: what was exported answers otherwise than the model itself (logits differ "
            f"by {off:.2g}); use the versions of torch, transformers and peft that trained it"
        )
