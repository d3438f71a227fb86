"""How the cells and attacks of a dataset were computed: versions, devices, encoders, seeds."""

from __future__ import annotations

from collections.abc import Sequence

from radpriv.reports.results.load import Done, Results


def provenance(results: Results, done: Sequence[Done]) -> tuple[tuple[str, str], ...]:
    gathered: dict[str, set[str]] = {}

    def note(name: str, value: object) -> None:
        if value not in (None, ""):
            gathered.setdefault(name, set()).add(str(value))

    for d in done:
        how, encoder = d.record.how, d.record.encoder
        note("python", how.python)
        note("device", d.record.device_kind)
        note("dtype", d.record.dtype)
        for name, value in (*d.record.versions.items(), *how.packages.items()):
            note(f"version of {name}", value)
        if encoder:
            note(f"encoder {encoder.name}", f"{encoder.revision}, SHA-256 {encoder.sha256[:16]}…")
        note("seeds", d.entry.seed)
        note("not cached because", how.why_not_cached)
    families = {d.entry.family for d in done}
    lines = [("suite", results.suite)]
    lines += [
        (name, ", ".join(sorted(v, key=lambda x: (len(x), x))))
        for name, v in sorted(gathered.items())
    ]
    lines += [
        ("attack", f"{a.attack} version {a.version}: {a.attack_id}")
        for a in results.attacks
        if a.family in families
    ]
    lines += [
        ("attack not shown", f"{name}: {count} results, not asked for here")
        for name, count in results.apart.items()
    ]
    return tuple(lines)
