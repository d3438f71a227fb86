"""What a secret run leaves outside private/: no key, no coin, no batch size, no member's score."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from radpriv.benchmark.store.store import Finished, Store, write_parquet

Secrets = dict[bytes, str]
"""Byte sequence that must not be found -> what it says."""

LEAST = 6
"""Shorter sequences are met by chance: 2^-48 per place at this length."""


def add(secrets: Secrets, what: str, *sequences: bytes) -> None:
    secrets.update((s, what) for s in sequences if len(s) >= LEAST)


def add_key(secrets: Secrets, key: bytes) -> None:
    text, url = base64.b64encode(key), base64.urlsafe_b64encode(key)
    shown = (key.hex().encode(), key.hex().upper().encode(), text.rstrip(b"="), url.rstrip(b"="))
    add(secrets, "key", key, key[::-1], *shown)


def add_coins(secrets: Secrets, what: str, member: NDArray[np.bool_]) -> None:
    """As bytes, bits of either order, digits, and the numbers that a list or column may hold."""
    for coins in (member, ~member):
        add(secrets, what, *(np.packbits(coins, bitorder=order).tobytes() for order in _ORDERS))
        add(secrets, what, "".join(str(int(c)) for c in coins).encode(), *numbers(coins))


_ORDERS: tuple[Any, ...] = ("big", "little")


def numbers(values: Any) -> Iterator[bytes]:
    """A sequence of numbers as an array of every common type, and as JSON has it."""
    array = np.asarray(values)
    for kind in ("<f8", "<f4", "<i8", "<i4", "u1"):
        if np.all(np.isfinite(array)) and np.array_equal(array.astype(kind), array):
            yield array.astype(kind).tobytes()
    if array.dtype.kind == "f":
        yield array.astype("<f4").tobytes()
        yield array.astype("<f8").tobytes()


def decimal(*values: float) -> Iterator[bytes]:
    """Numbers as text, of float64 and of float32, where there are digits enough to tell."""
    for kind in (float, np.float32):
        text = ", ".join(str(kind(v)) for v in values)
        if sum(c.isdigit() for c in text) >= 14:
            yield text.encode()


FIRST = 30
"""Candidates and scores of each cell that are looked for: a leak has more than one line."""


def secrets_of(cells: list[Finished], attacks: list[Finished]) -> Secrets:
    """What private/ of these holds, in every spelling that a leak may have."""
    found: Secrets = {}
    public: set[bytes] = set()
    for cell in cells:
        key = cell.folder / "private" / "run_key"
        add_key(found, key.read_bytes())
        flags = cell.table("private/flags.parquet")
        member = flags["member"].to_numpy()
        slots = flags["slot"].to_numpy()
        add_coins(found, "coins", member)
        for side in (member, ~member):
            add(found, "coins", *numbers(slots[side]))
        diary = cell.table("private/diagnostics.parquet")
        for name in ("records", "loss", "share_clipped"):
            values = diary[name].to_numpy()
            if len(set(values)) > 3 and not np.isnan(values).any():
                add(found, name, *numbers(values), *numbers(values[:8]))
        for value in diary["loss"].to_pylist():
            if np.isfinite(value):
                add(found, "loss", np.float64(value).tobytes(), *decimal(value))
        candidates = cell.table("private/candidates.parquet")["logits"].to_pylist()
        for row in candidates[:FIRST]:
            logits = np.asarray(row, np.float32)
            add(found, "logits", *numbers(logits), *decimal(*logits[:2]), *decimal(logits[0]))
        # A candidate may have the words of a test report, whose logits are public.
        for row in cell.table("test.parquet")["logits"].to_pylist():
            logits = np.asarray(row, np.float32)
            public.update([*numbers(logits), *decimal(*logits[:2]), *decimal(logits[0])])
    for attack in attacks:
        for value in attack.table("private/rows.parquet")["score"].to_pylist()[:FIRST]:
            add(found, "score", np.float64(value).tobytes(), *decimal(value))
    return {s: what for s, what in found.items() if s not in public}


def spread(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and what is compressed or spelt out in it as arrays."""
    data = path.read_bytes()
    yield data
    if path.suffix == ".parquet":
        for column in pq.read_table(path).columns:
            values = column.combine_chunks()
            yield json.dumps(values.to_pylist(), default=str).encode()
            while pa.types.is_list(values.type):
                values = values.flatten()
            if not pa.types.is_string(values.type):
                yield from numbers(values.to_numpy(zero_copy_only=False))
    elif path.suffix in (".json", ".jsonl"):
        texts = data.splitlines() if path.suffix == ".jsonl" else [data]
        for text in texts:
            yield from lists(json.loads(text))


def lists(value: Any) -> Iterator[bytes]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        if value and all(isinstance(v, int | float) for v in value):
            yield from numbers(value)
        for inner in value:
            yield from lists(inner)


def leaks(roots: list[Path], secrets: Secrets) -> dict[str, str]:
    """Files outside private/ that hold one of the secrets, and which."""
    found = {}
    for root in roots:
        for path in root.rglob("*"):
            if path.is_file() and "private" not in path.relative_to(root).parts:
                for data in spread(path):
                    found.update({str(path): what for s, what in secrets.items() if s in data})
    return found


@dataclass
class Run:
    """A store after a whole run, its cache, and what was printed."""

    store: Path
    cache: Path
    printed: bytes
    cells: list[Finished]
    secrets: Secrets


@pytest.fixture
def finished(
    radpriv: Any,
    write_suite: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    many = {"audit_share": "0.7"}  # candidates enough for packed coins to tell
    suite = write_suite("dp_bow", "dp_linear_probe", noise='"secret"', epsilons="[1.0]", **many)
    text = suite.read_text()  # a clip that some records stay within, so that the share tells
    suite.write_text(
        text.replace("size = 128, steps = 6", "size = 128, steps = 9, max_norm = 0.115, lr = 1.5")
    )
    printed = b""
    for command in ("run", "attack", "report"):
        result = radpriv(command, suite, *(("--device", "cpu") if command == "run" else ()))
        assert result.code == 0, result.err
        printed += (result.out + result.err).encode()
    store = Store(tmp_path / "store")
    cells = [store.open(folder) for folder in store.cells()]
    attacks = [store.lookup_attack(p.name) for p in (store.root / "attacks").iterdir()]
    secrets = secrets_of(cells, [a for a in attacks if a is not None])
    return Run(store.root, tmp_path / "cache", printed, cells, secrets)


KINDS = {"key", "coins", "records", "loss", "share_clipped", "logits", "score"}


def test_keys_coins_and_scores_stay_in_private(finished: Run) -> None:
    """Nothing outside private/ holds a key, a coin or a member's score, and leaks are found."""
    secrets, roots = finished.secrets, [finished.store, finished.cache]
    assert {c.record.cell.method for c in finished.cells} >= {"dp_bow", "dp_linear_probe"}
    assert {c.record.cell.noise_mode for c in finished.cells} == {"secret"}
    assert set(secrets.values()) == KINDS and len(secrets) > 400
    seen = [p for r in roots for p in r.rglob("*") if p.is_file()]
    tops = {p.relative_to(finished.store).parts[0] for p in seen if finished.store in p.parents}
    assert tops >= {"cells", "attacks", "plans", "reports"} and finished.cache.is_dir()
    assert leaks(roots, secrets) == {}
    assert not [what for s, what in secrets.items() if s in finished.printed]
    cell = next(c for c in finished.cells if c.record.cell.method == "dp_bow")
    planted = finished.store / "reports" / "planted"
    planted.mkdir()
    for name, (kind, plant) in LEAKS.items():
        plant(planted / name, cell)
        assert leaks([planted], secrets) == {str(planted / name): kind}, name
        (planted / name).unlink()


def key_of(cell: Finished) -> bytes:
    return (cell.folder / "private" / "run_key").read_bytes()


def member_of(cell: Finished) -> list[bool]:
    return [bool(m) for m in cell.table("private/flags.parquet")["member"].to_pylist()]


def diary_of(cell: Finished, name: str) -> list[float]:
    return [float(v) for v in cell.table("private/diagnostics.parquet")[name].to_pylist()]


def logits_of(cell: Finished) -> list[float]:
    """Of the first candidate whose first logit is long enough to be told from others."""
    rows = cell.table("private/candidates.parquet")["logits"].to_pylist()
    return next(list(map(float, row)) for row in rows if list(decimal(row[0])))


def saved(path: Path, value: Any) -> None:
    path.write_text(json.dumps({"a": [{"b": value}]}, indent=1))


Plant = Callable[[Path, Finished], Any]
LEAKS: dict[str, tuple[str, Plant]] = {
    "key.bin": ("key", lambda p, c: p.write_bytes(b"...." + key_of(c) + b"....")),
    "key.json": ("key", lambda p, c: saved(p, key_of(c).hex())),
    "key.html": ("key", lambda p, c: p.write_bytes(b"<p>" + base64.b64encode(key_of(c)))),
    "coins.json": ("coins", lambda p, c: saved(p, member_of(c))),
    "coins01.json": ("coins", lambda p, c: saved(p, list(map(int, member_of(c))))),
    "coins.parquet": ("coins", lambda p, c: write_parquet(p, pa.table({"in": member_of(c)}))),
    "coins.bin": ("coins", lambda p, c: p.write_bytes(np.packbits(member_of(c)).tobytes())),
    "slots.json": ("coins", lambda p, c: saved(p, slots_in(c))),
    "sizes.json": ("records", lambda p, c: saved(p, list(map(int, diary_of(c, "records"))))),
    "sizes.parquet": (
        "records",
        lambda p, c: write_parquet(p, pa.table({"n": list(map(int, diary_of(c, "records")))})),
    ),
    "loss.txt": ("loss", lambda p, c: p.write_text(f"step 3: {diary_of(c, 'loss')[3]}\n")),
    "loss.parquet": (
        "loss",
        lambda p, c: write_parquet(p, pa.table({"loss": diary_of(c, "loss")[1:3]})),
    ),
    "share.json": ("share_clipped", lambda p, c: saved(p, diary_of(c, "share_clipped"))),
    "logits.npy": ("logits", lambda p, c: np.save(p, np.float32([logits_of(c)]))),
    "logits64.npy": ("logits", lambda p, c: np.save(p, np.float64([logits_of(c)]))),
    "logits.html": ("logits", lambda p, c: p.write_text(f"<td>{logits_of(c)[0]}</td>")),
    "logits.parquet": (
        "logits",
        lambda p, c: write_parquet(p, pa.table({"x": [logits_of(c)]})),
    ),
}


def slots_in(cell: Finished) -> list[int]:
    flags = cell.table("private/flags.parquet").to_pylist()
    return [int(row["slot"]) for row in flags if row["member"]]
