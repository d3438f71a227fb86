"""The same bits on a card as well: torch's deterministic kernels, where it has several.

    with deterministic(device):
        run.fit(...)

On CUDA a sum over rows that go to the same place (the records of one patient, the uses of one word)
is taken in whatever order its threads arrive. A run that goes on would then seldom release again
what it released before, and would have to begin anew under a new key. An operation without a
deterministic kernel is refused by torch, by its name. A CPU needs none of this.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils import deterministic as _memory

memory: Any = _memory  # a module with one property, unknown to its type


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Inside, torch computes the same bits again on `device`; afterwards as before."""
    if device.type == "cpu":
        yield
        return
    # cuBLAS may share its workspace between streams unless told a size; torch insists on it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    mode, fill = torch.get_deterministic_debug_mode(), memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    memory.fill_uninitialized_memory = False  # it costs time, and nothing here reads such memory
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        memory.fill_uninitialized_memory = fill
