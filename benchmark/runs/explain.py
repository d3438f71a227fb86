"""Why a cell is served from the store, or computed: data in, sentences out.

explain(store, "openi.minilm.dp_lora.eps1.s0", current, planned)
["miss: openi.minilm.dp_lora.eps1.s0-3fa94c12… is stored, but not as it would be computed now",
 "module radpriv.benchmark.privacy.sampling changed", "package numpy 2.3.1 → 2.4.0"]
"""

from __future__ import annotations

from collections.abc import Mapping

from radpriv.benchmark.cell import Cell, digest
from radpriv.benchmark.store.cell_schema import How
from radpriv.benchmark.store.fingerprint import Fingerprint
from radpriv.benchmark.store.results import FinishedCell
from radpriv.benchmark.store.store import Store
from radpriv.errors import StoreError

DAMAGED = "damaged: "
"""How the line of a cell that cannot be read begins."""
_WORDS = {"modules": "module", "data": "data file", "packages": "package"}


def explain(
    store: Store,
    text: str,
    current: Fingerprint | None = None,
    planned: Cell | None = None,
) -> list[str]:
    """Hit or miss and every reason; then the attempts that failed, with theirs.

    text: a cell id or the start of one.  current: how it would be computed now; None: unknown.
    planned: the cell that would be asked for under `text`; a cell that is not stored
    is then compared with the nearest one that is. Without it, StoreError for a text that fits no
    cell or several.
    """
    if planned is None:
        cell_id = store.cell_id(text)
    else:
        same = [
            name for name in store.known() if name.endswith(f"-{digest(planned.as_dict())[:16]}")
        ]
        if not same:
            return _never_run(store, text, planned)
        cell_id = same[0]
    stored, lines = _open_all(store, cell_id)
    if not stored and not lines and planned is not None:
        lines += _never_run(store, cell_id, planned)
    elif not stored:
        lines = lines or [f"miss: {cell_id} never finished"]
    elif current is None:
        lines += [f"{cell_id} is stored as {_status(s)} in {s.folder}" for s in stored]
    else:
        lines += _against(cell_id, stored, current)
    for attempt in store.attempts(cell_id):
        lines.append(
            f"attempt of {attempt.why.when} ({attempt.why.reason}, {attempt.releases} releases): "
            f"{attempt.why.sentence}; kept in {attempt.folder}"
        )
    return lines


def differences(stored: How, current: How) -> list[str]:
    """What differs between how two results were computed, one sentence each."""
    lines = [
        f"{key} {_short(getattr(stored, key))} → {_short(getattr(current, key))}"
        for key in ("python", "device", "dtype")
        if getattr(stored, key) != getattr(current, key)
    ]
    for part, word in _WORDS.items():
        before, now = getattr(stored, part), getattr(current, part)
        for name in sorted({*before, *now}):
            if name not in now:
                lines.append(f"{word} {name} is used no more")
            elif name not in before:
                lines.append(f"{word} {name} is new")
            elif before[name] != now[name]:
                values = f"{before[name]} → {now[name]}" if part == "packages" else "changed"
                lines.append(f"{word} {name} {values}")
    return lines


def axes(stored: Cell, planned: Cell) -> list[str]:
    """The fields in which two cells differ, nested ones by their path: "budget.epsilon: 1 → 8"."""
    before, now = _flat(stored.as_dict()), _flat(planned.as_dict())
    return [
        f"{key}: {_short(before.get(key, 'absent'))} → {_short(now.get(key, 'absent'))}"
        for key in sorted({*before, *now})
        if before.get(key, _MISSING) != now.get(key, _MISSING)
    ]


_MISSING = object()


def _against(cell_id: str, stored: list[FinishedCell], current: Fingerprint) -> list[str]:
    if current.why_not_cached is not None:
        return [f"miss: {cell_id} is computed anew each time: {current.why_not_cached}"]
    for found in stored:
        if found.folder.name == current.digest:
            return [f"hit: {cell_id} is stored as {_status(found)} in {found.folder}"]
    nearest = min((differences(s.record.how, current.facts) for s in stored), key=len)
    return [f"miss: {cell_id} is stored, but not as it would be computed now", *nearest]


def _never_run(store: Store, text: str, planned: Cell) -> list[str]:
    cells, lines = [], []
    for folder in store.cells():
        try:
            cells.append(store.open(folder))
        except StoreError as error:
            lines.append(f"{DAMAGED}{error}")
    lines.append(f"miss: {text} was never run to its end as it is asked now")
    if cells:
        compared = [(axes(c.record.cell, planned), c.folder.parent.name) for c in cells]
        nearest, name = min(compared, key=lambda pair: (len(pair[0]), pair[1]))
        lines.append(f"the nearest stored cell is {name}; what differs:")
        lines += nearest
    return lines


def _open_all(store: Store, cell_id: str) -> tuple[list[FinishedCell], list[str]]:
    stored, lines = [], []
    for folder in store.resolve(cell_id):
        try:
            stored.append(store.open(folder))
        except StoreError as error:
            lines.append(f"{DAMAGED}{error}")
    return stored, lines


def _status(found: FinishedCell) -> str:
    return found.record.status


def _flat(value: object, path: str = "") -> dict[str, object]:
    """Leaves of nested maps by dotted path; a list is a leaf. Key order is no difference."""
    if not isinstance(value, Mapping):
        return {path: list(value) if isinstance(value, tuple) else value}
    leaves: dict[str, object] = {}
    for key, inner in value.items():
        leaves |= _flat(inner, f"{path}.{key}" if path else str(key))
    return leaves


def _short(value: object) -> str:
    """A value as one reads it; of a hash the first 12 digits."""
    text = str(value)
    is_hash = len(text) == 64 and set(text) <= set("0123456789abcdef")
    return f"{text[:12]}…" if is_hash else text
