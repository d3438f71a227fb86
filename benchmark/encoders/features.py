"""Values of a public function, one per record, computed once and cached.

    features = cache.map(f, texts, scope)      # f(text) -> array; f.key names it; order kept

`f` sees one text at a time, so no record can influence another's value. The cache holds private
data: it lies in RADPRIV_CACHE (mode 700), outside the store, and may be deleted at any time.
"""

from __future__ import annotations

import abc
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from radpriv.benchmark.store.caches import make_private
from radpriv.errors import CellFailed, StoreError

Progress = Callable[[int], None]


class RecordFunction(Protocol):
    """A public function of one text.

    key: names the function and all it depends on (hashes included); "" is never cached.
    ragged: True if it gives (T, …) with T depending on the text, False for one fixed shape.
    """

    @property
    def key(self) -> str: ...
    @property
    def ragged(self) -> bool: ...
    def __call__(self, text: str) -> NDArray[Any]: ...


class OnePerThread(abc.ABC):
    """Evaluates a function of one text in as many threads as there are cores, in order.

    One text at a time uses one core well and several badly: small products spend their time in
    waking threads.
    """

    @abc.abstractmethod
    def __call__(self, text: str) -> NDArray[Any]: ...

    def each(self, texts: Sequence[str]) -> Iterator[NDArray[Any]]:
        import torch

        whole = torch.get_num_threads()
        with ThreadPoolExecutor(whole, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            try:
                yield from pool.map(self, texts)
            finally:
                pool.shutdown(cancel_futures=True)
                torch.set_num_threads(whole)


@dataclass(frozen=True)
class Features:
    """values (total, …) and offsets (n + 1,): record i owns values[offsets[i]:offsets[i+1]]."""

    values: NDArray[Any]
    offsets: NDArray[np.int64]
    ragged: bool

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> NDArray[Any]:
        rows = self.values[self.offsets[i] : self.offsets[i + 1]]
        return rows if self.ragged else rows[0]

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.offsets)


def evaluate(f: RecordFunction, texts: Sequence[str], progress: Progress | None = None) -> Features:
    """f of each text, one at a time; in threads where f is `OnePerThread`."""
    arrays = []
    for result in OnePerThread.each(f, texts) if isinstance(f, OnePerThread) else map(f, texts):
        value = np.asarray(result)
        arrays.append(value if f.ragged else value[None])
        if progress is not None:
            progress(1)
    sizes = [len(a) for a in arrays]
    values = np.concatenate(arrays) if arrays else np.zeros((0,), np.float32)
    values.setflags(write=False)  # shared by all that read them
    return Features(values, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), f.ragged)


class FeatureCache:
    """Disk cache of `evaluate`; without a folder it keeps values for the process only."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._memory: dict[str, Features] = {}
        if folder is not None:
            make_private(folder)

    def map(
        self, f: RecordFunction, texts: Sequence[str], progress: Progress | None = None
    ) -> Features:
        if not (callable(f) and hasattr(f, "key") and hasattr(f, "ragged")):
            raise CellFailed(
                f"{type(f).__name__} cannot map reports: give an object with `key`, `ragged` and "
                "__call__(text), such as radpriv.benchmark.encoders.hashed_words.HashedWords"
            )
        if not f.key:
            return evaluate(f, texts, progress)
        kind = type(f)  # the module of a plug-in is named by its content
        key = f"{kind.__module__}.{kind.__qualname__}/{f.key}"
        return self.keep(key, texts, f.ragged, lambda: evaluate(f, texts, progress))

    def keep(
        self, key: str, texts: Sequence[str], ragged: bool, make: Callable[[], Features]
    ) -> Features:
        """What `make` gives, made once for these texts in this order. key: names all else that
        decides it, its version included."""
        name = _name(key, texts)
        if name not in self._memory:
            found = self._read(name, ragged)
            if found is None:
                found = make()
                self._write(name, found)
            self._memory[name] = found
        return self._memory[name]

    def _read(self, name: str, ragged: bool) -> Features | None:
        if self.folder is None:
            return None
        try:
            values = np.load(self.folder / f"{name}.values.npy", mmap_mode="r", allow_pickle=False)
            offsets = np.load(self.folder / f"{name}.offsets.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        if len(offsets) == 0 or offsets[-1] != len(values):
            return None
        return Features(values, offsets, ragged)

    def _write(self, name: str, features: Features) -> None:
        if self.folder is None:
            return
        pairs = (("values", features.values), ("offsets", features.offsets))
        for part, array in pairs:
            target = self.folder / f"{name}.{part}.npy"
            handle, temporary = tempfile.mkstemp(dir=self.folder, suffix=".tmp")
            try:
                with os.fdopen(handle, "wb") as file:
                    np.save(file, array, allow_pickle=False)
                os.replace(temporary, target)
            except OSError as error:
                Path(temporary).unlink(missing_ok=True)
                raise StoreError(
                    f"{target}: the cache could not be written ({error.strerror}); free space, or "
                    "set RADPRIV_CACHE to another folder"
                ) from error


def _name(key: str, texts: Sequence[str]) -> str:
    h = hashlib.sha256(key.encode())
    for text in texts:
        raw = text.encode("utf-8", "surrogatepass")
        h.update(len(raw).to_bytes(8, "little"))
        h.update(raw)
    return h.hexdigest()[:40]
