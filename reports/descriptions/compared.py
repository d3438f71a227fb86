"""What was published beside what was measured: the labels, and every figure with its verdict."""

from __future__ import annotations

from collections.abc import Iterable

from radpriv.benchmark.store.description_schema import Agreement, ComparedFigure, Description
from radpriv.reports.descriptions.description_figures import measured, percent
from radpriv.reports.render.numbers import NOT_ASKED
from radpriv.reports.render.table import Table, TableCell

JUDGED = {Agreement.WITHIN: "within", Agreement.OUTSIDE: "outside"}
SHORT = {**JUDGED, Agreement.NO_TOLERANCE: "no tolerance"}
SHARES = (
    "positive/", "negative/", "unobserved/", "counted/", "split/", "cue/", "no_positive",
    "tokens_over/", "unique_", "vocabulary_once", "negated_", "hedged_", "duplicates/",
)  # fmt: skip
"""How the names of figures that are shares begin."""


def labels_table(data: Description) -> Table:
    """One row per label; what was published beside it where something was."""
    every = {p.figure: p for p in data.published}
    known = [every.get(f"positive/{label}") for label in data.labels]
    heads = ["published"] if any(known) else []
    heads += ["verdict"] if any(p and p.tolerance is not None for p in known) else []
    rows = []
    for s, entry in zip(data.shares, known):
        positive = s.positive
        beside = {"published": _published(entry), "verdict": _verdict(entry)}
        cells = [
            TableCell(s.label, "name"),
            TableCell(f"{positive.count:,}", "number"),
            TableCell(percent(positive.share), "number"),
            TableCell(f"{percent(positive.low)} to {percent(positive.high)}", "number"),
            *(beside[head] for head in heads),
            *(TableCell(percent(n.share), "number") for n in (s.negative, s.unobserved)),
        ]
        rows.append(tuple(cells))
    sources = dict.fromkeys(p.source for p in known if p)
    return Table(
        "labels",
        "How often each label is positive",
        ("label", "positive", "share", "interval", *heads, "negative", "not observed"),
        tuple(rows),
        (
            f"Shares of all reports, of every split. Interval: {data.interval}.",
            "Not observed: neither positive nor negative was said, or the uncertain are left out; "
            "losses and metrics skip it.",
            *(f"Published: {source}." for source in sources),
        ),
        (
            f"{measured(data, 'positives/mean'):.2f} positive labels per report; "
            f"{percent(measured(data, 'no_positive'))} of the reports have none.",
            *_verdicts(data),
        ),
    )


def _published(entry: ComparedFigure | None) -> TableCell:
    return TableCell(percent(entry.value), "number") if entry else TableCell(NOT_ASKED, "absent")


def _verdict(entry: ComparedFigure | None) -> TableCell:
    if entry is None:
        return TableCell(NOT_ASKED)
    verdict = entry.verdict
    return TableCell(SHORT.get(verdict, verdict.value), JUDGED.get(verdict, "text"))


def _verdicts(data: Description) -> list[str]:
    """How many published figures are met, of those that came with a tolerance; and which of the
    others are shares that this many reports cannot tell from the published value."""
    judged = [p for p in data.published if p.verdict in JUDGED]
    if not judged:
        return []
    within = sum(p.verdict is Agreement.WITHIN for p in judged)
    sentence = f"{within} of {len(judged)} published figures with a tolerance are met."
    intervals = {
        f"{kind}/{s.label}": (share.low, share.high)
        for s in data.shares
        for kind, share in (
            ("positive", s.positive),
            ("negative", s.negative),
            ("unobserved", s.unobserved),
        )
    }
    shares = [p for p in judged if p.verdict is Agreement.OUTSIDE and p.figure in intervals]
    near = [p for p in shares if intervals[p.figure][0] <= p.value <= intervals[p.figure][1]]
    if near:
        have = (
            "has the published value within its"
            if len(near) == 1
            else ("have the published value within their")
        )
        sentence += (
            f" Of {len(shares)} shares that are not, {len(near)} {have} interval: more reports "
            "would tell."
        )
    return [sentence]


def published_table(data: Description) -> Table:
    return _compared(data.published, "published", "Every published figure")


def outside_table(data: Description) -> Table:
    """Only those that are not met."""
    found = [p for p in data.published if p.verdict is Agreement.OUTSIDE]
    return _compared(found, "outside", "Published figures that are not met")


def _compared(entries: Iterable[ComparedFigure], key: str, title: str) -> Table:
    """Sources are numbered, and told in the notes."""
    sources: dict[str, int] = {}
    rows = []
    for p in entries:
        number = sources.setdefault(p.source, len(sources) + 1)
        name, measured, tolerance = p.figure, p.measured, p.tolerance
        rows.append(
            (
                TableCell(name, "name"),
                TableCell(value(name, measured), "number"),
                TableCell(value(name, p.value), "number"),
                TableCell(
                    NOT_ASKED if tolerance is None else f"± {value(name, tolerance)}", "number"
                ),
                _verdict(p),
                TableCell(f"[{number}]"),
            )
        )
    heads = ("figure", "measured", "published", "tolerance", "verdict", "source")
    notes = tuple(f"[{number}] {source}" for source, number in sources.items())
    return Table(key, title, heads, tuple(rows), notes)


def value(figure: str, amount: float | None) -> str:
    """A figure as its kind is read: a share in percent, phi by its sign, counts whole."""
    if amount is None:
        return NOT_ASKED
    if figure.startswith("phi/"):
        return f"{amount:.3f}".replace("-", "−")
    if figure.startswith(SHARES):
        return percent(amount)
    return number(amount).text


def number(amount: float | None) -> TableCell:
    if amount is None:
        return TableCell(NOT_ASKED, "absent")
    whole = amount == round(amount) or amount >= 100
    return TableCell(f"{amount:,.0f}" if whole else f"{amount:.2f}", "number")
