"""Checkpoints inside a run: where a run that was stopped goes on, with the same bits.

A run that goes on draws the same coins and the same noise as the one that was stopped, because both
are functions of position. What it releases again must then be what was released before: the ledger
compares hashes before a value leaves the waist, and the first that differs ends the attempt, since
one draw of noise under two values gives their difference away. What a method keeps outside `state`
and never lets a release depend on (an average of weights in a variable) is not seen by that: give
it to `state`.

Private: the files lie in the cell's private/ folder while it is computed, and are gone afterwards.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from radpriv.benchmark.privacy.clipping import trainable
from radpriv.benchmark.privacy.records import MicroBatches, PrivateFeatures, Projection
from radpriv.benchmark.store.atomic import atomic_write, read_json, write_json
from radpriv.errors import NotReproduced, PrivacyError, StoreError

State = tuple[Any, ...]
"""(model, optimizer, …): everything that steps change."""

CONDITIONS = "checkpoint.json"


def conditions(device: torch.device) -> dict[str, Any]:
    """What must be the same for the same bits, beyond the fingerprint."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    plan = MicroBatches()
    return {
        "device": name,
        "threads": torch.get_num_threads(),
        "micro_batches": [plan.tokens, plan.elements],
    }


def resumable(folder: Path, now: Mapping[str, Any]) -> bool:
    """Whether `folder` holds checkpoints that were written under the conditions of `now`.

    Without one a run would restart from step 0, and a restart takes a new key.
    """
    try:
        same = bool(read_json(folder / CONDITIONS) == now)
    except StoreError:
        return False
    return same and any(folder.glob("checkpoint-*.pt"))


class Checkpoints:
    """One file per loop of a run, in `folder`, a private one (None: none is kept).

    every: seconds between two; 0 for one after each step. now: see `conditions`.
    """

    def __init__(
        self, folder: Path | None, every: float = 30.0, now: Mapping[str, Any] | None = None
    ) -> None:
        self._folder = folder
        self._every = every
        self._now = now or {}
        self._last = time.monotonic()
        self._plan: list[int] | None = None
        self._begun: list[str] = []
        self._trained: set[str] = set()

    def restore(self, first: int, state: State, records: PrivateFeatures) -> tuple[int, bool]:
        """Put the newest state of the loop that began at step `first` back.

        (steps done, whether its tensors were seen to move); (0, False) where there is none.
        PrivacyError for an entry of `state` that cannot be kept; NotReproduced for a damaged file.
        """
        _check_kept(state)
        self._begun = sorted(trainable(state[0]))
        self._trained = set(self._begun)  # groups may take turns: what rests is kept too
        self._plan = [records._plan.tokens, records._plan.elements]
        if self._folder is None or not (path := self._file(first)).is_file():
            return 0, False
        try:
            saved = torch.load(io.BytesIO(_checked(path.read_bytes())), weights_only=True)
            model, *others = state
            if saved["begun"] != self._begun:
                raise ValueError("other trainable tensors")
            _put_back_model(model, saved["tensors"], saved["trained"])
            for entry, value in zip(others, saved["others"], strict=True):
                _put_back(entry, value)
            records._diagnostics.rows[:] = saved["diagnostics"]
            records._diagnostics.projections[:] = [Projection(*p) for p in saved["projections"]]
            records._plan.tokens, records._plan.elements = self._plan = saved["plan"]
            return int(saved["done"]), bool(saved["moved"])
        except Exception as error:  # a damaged archive raises whatever its reader met first
            raise NotReproduced(
                f"the checkpoint of step {first} cannot be read ({type(error).__name__}); "
                "the run begins anew"
            ) from error

    def keep(
        self, first: int, done: int, last: bool, moved: bool, state: State, records: PrivateFeatures
    ) -> None:
        """After a step: write the state, if it is time or the loop is over.

        Also when memory ran out in it: the last bits of what follows depend on the smaller plan.
        """
        plan = [records._plan.tokens, records._plan.elements]
        due = last or plan != self._plan or time.monotonic() - self._last >= self._every
        if self._folder is None or not due:
            return
        if not (self._folder / CONDITIONS).is_file():
            write_json(self._folder / CONDITIONS, dict(self._now))
        model, *others = state
        trained = list(trainable(model))
        self._trained.update(trained)
        tensors = {n: p.detach().cpu() for n, p in model.named_parameters() if n in self._trained}
        buffer = io.BytesIO()
        torch.save(
            {
                "tensors": tensors,
                "begun": self._begun or sorted(trained),
                "trained": trained,
                "others": [_taken(entry) for entry in others],
                "diagnostics": records._diagnostics.rows,
                "projections": [astuple(p) for p in records._diagnostics.projections],
                "plan": plan,
                "done": done,
                "moved": moved,
            },
            buffer,
        )
        data = buffer.getvalue()
        atomic_write(self._file(first), hashlib.sha256(data).digest() + data)
        self._last, self._plan = time.monotonic(), plan

    def discard(self) -> None:
        """The run is over: nothing of its state in between stays.

        The conditions first: what a process leaves that is killed in here must not be taken for a
        run that can go on, with some of its loops at their start.
        """
        if self._folder is not None:
            for path in (self._folder / CONDITIONS, *self._folder.glob("checkpoint-*.pt")):
                path.unlink(missing_ok=True)

    def _file(self, first: int) -> Path:
        assert self._folder is not None
        return self._folder / f"checkpoint-{first}.pt"


def _checked(data: bytes) -> bytes:
    """The archive behind its SHA-256: weights with one bit turned would be read without a word."""
    if hashlib.sha256(data[32:]).digest() != data[:32]:
        raise ValueError("damaged")
    return data[32:]


def _check_kept(state: State) -> None:
    for i, entry in enumerate(state):
        known = isinstance(entry, torch.Generator)
        if not known and not (hasattr(entry, "state_dict") and hasattr(entry, "load_state_dict")):
            raise PrivacyError(
                f"state: entry {i} ({type(entry).__name__}) has no state_dict() and "
                "load_state_dict(), so no checkpoint can keep it; give it both, or leave it out"
            )


def _taken(entry: Any) -> Any:
    """What to write of an entry beside the model."""
    return entry.get_state() if isinstance(entry, torch.Generator) else entry.state_dict()


def _put_back_model(
    model: nn.Module, tensors: Mapping[str, Tensor], trained: Sequence[str]
) -> None:
    """tensors: those that the loop trains, by name. trained: of them, those that did not rest."""
    params = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in tensors.items():
            params[name].copy_(value)
            params[name].requires_grad_(name in trained)


def _put_back(entry: Any, value: Any) -> None:
    if isinstance(entry, torch.Generator):
        entry.set_state(value)
    else:
        entry.load_state_dict(value)
