"""Values of public functions: one text at a time, in order, and a cache that never lies."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from radpriv.benchmark.encoders.features import FeatureCache, Features, evaluate
from radpriv.benchmark.methods.classifier import OnePerThread
from radpriv.errors import CellFailed, StoreError

TEXTS = [f"report {'x' * (i % 7)} {i}" for i in range(60)]


@dataclass
class Letters:
    """text -> int64 (T,): its characters; remembers what it was given."""

    key: str = "letters/1"
    ragged: bool = True
    seen: list[Any] = field(default_factory=list)

    def __call__(self, text: str) -> np.ndarray:
        self.seen.append(text)
        return np.array([ord(c) for c in text], np.int64)


@dataclass(frozen=True)
class Threaded(OnePerThread):
    key = "threaded/1"
    ragged = False

    def __call__(self, text: str) -> np.ndarray:
        sum(i * i for i in range((hash(text) % 50) * 100))  # unequal times
        return np.array([float(text.rsplit(" ", 1)[1]), len(text)], np.float32)


def values(features: Any) -> list[list[float]]:
    return [list(features[i]) for i in range(len(features))]


def plain(texts: Sequence[str]) -> list[list[float]]:
    return [[ord(c) for c in t] for t in texts]


def test_a_function_sees_one_text_at_a_time_in_order() -> None:
    f = Letters()
    assert values(evaluate(f, TEXTS)) == plain(TEXTS)
    assert f.seen == TEXTS


def test_order_is_kept_by_threads_and_their_number_is_restored() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        found = evaluate(Threaded(), TEXTS)
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)
    assert values(found) == [[float(i), float(len(t))] for i, t in enumerate(TEXTS)]


def test_progress_is_told_once_per_text() -> None:
    told: list[int] = []
    evaluate(Letters(), TEXTS, told.append)
    assert told == [1] * len(TEXTS)


def test_no_text_gives_no_value() -> None:
    assert len(evaluate(Letters(), [])) == 0
    assert len(evaluate(Threaded(), [])) == 0


def test_a_stored_value_is_not_computed_again(tmp_path: Path) -> None:
    first = FeatureCache(tmp_path / "cache").map(Letters(), TEXTS)
    again = Letters()
    cache = FeatureCache(tmp_path / "cache")
    assert values(cache.map(again, TEXTS)) == values(first) == plain(TEXTS)
    assert again.seen == []


def test_another_key_or_another_text_or_order_is_computed(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "cache")
    cache.map(Letters(), TEXTS)
    for f, texts in (
        (Letters("letters/2"), TEXTS),
        (Letters(), TEXTS[:-1]),
        (Letters(), TEXTS[::-1]),
        (Letters(), [TEXTS[0] + TEXTS[1], *TEXTS[2:]]),
    ):
        assert values(cache.map(f, texts)) == plain(texts)
        assert f.seen == texts


@pytest.mark.parametrize("part", ["values", "offsets"])
@pytest.mark.parametrize("damage", ["cut", "empty", "noise", "gone", "pickle"])
def test_a_damaged_file_is_computed_again(tmp_path: Path, part: str, damage: str) -> None:
    FeatureCache(tmp_path / "cache").map(Letters(), TEXTS)
    path = next((tmp_path / "cache").glob(f"*.{part}.npy"))
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[: len(whole) - 24])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "noise":
        path.write_bytes(os.urandom(len(whole)))
    elif damage == "gone":
        path.unlink()
    else:
        np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    f = Letters()
    assert values(FeatureCache(tmp_path / "cache").map(f, TEXTS)) == plain(TEXTS)
    assert f.seen == TEXTS
    again = Letters()
    assert values(FeatureCache(tmp_path / "cache").map(again, TEXTS)) == plain(TEXTS)
    assert again.seen == []


def test_the_folder_and_its_files_are_for_the_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o755)
    FeatureCache(folder).map(Letters(), TEXTS)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = list(folder.iterdir())
    assert len(files) == 2
    assert all(stat.S_IMODE(p.stat().st_mode) & 0o077 == 0 for p in files)


def test_a_function_without_a_key_is_never_written(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "cache")
    f = Letters(key="")
    cache.map(f, TEXTS)
    cache.map(f, TEXTS)
    assert f.seen == TEXTS * 2
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_a_folder_values_live_in_memory_alone() -> None:
    cache, f = FeatureCache(None), Letters()
    assert cache.map(f, TEXTS) is cache.map(f, TEXTS)
    assert f.seen == TEXTS


def test_a_full_disk_is_one_line_and_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(StoreError, match="RADPRIV_CACHE") as caught:
        FeatureCache(tmp_path / "cache").map(Letters(), TEXTS)
    assert "\n" not in str(caught.value) and "No space left" in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="RADPRIV_CACHE"):
        FeatureCache(tmp_path / "file")


def test_feature_is_made_once_for_one_key_and_one_order_of_texts(tmp_path: Path) -> None:
    """What is kept is made once for one key and one order of texts."""
    made: list[str] = []

    def keep(cache: FeatureCache, key: str, texts: Sequence[str]) -> list[list[float]]:
        def make() -> Features:
            made.append(key)
            return Features(np.arange(2.0) + len(made), np.arange(3), ragged=False)

        found = cache.keep(key, texts, False, make)
        return [[float(found[0])], [float(found[1])]]

    cache = FeatureCache(tmp_path)
    first = keep(cache, "a", TEXTS)
    assert keep(cache, "a", TEXTS) == keep(FeatureCache(tmp_path), "a", TEXTS) == first
    assert made == ["a"]
    assert keep(cache, "b", TEXTS) != first and keep(cache, "a", TEXTS[::-1]) != first
    assert made == ["a", "b", "a"]


def test_a_plain_function_is_refused_by_what_it_lacks() -> None:
    def plain(text: str) -> np.ndarray:
        return np.zeros(1)

    with pytest.raises(CellFailed, match="function cannot map reports: give an object with `key`"):
        FeatureCache(None).map(plain, ["a"])  # type: ignore[arg-type]
