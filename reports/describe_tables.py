"""The tables of a description, from its JSON dictionary: for page and terminal alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from radpriv.reports.describe_figures import percent
from radpriv.reports.tables import NOT_ASKED, Cell, Table

WITHIN, OUTSIDE = "within tolerance", "outside tolerance"
JUDGED = {WITHIN: "within", OUTSIDE: "outside"}
SHORT = {**JUDGED, "no tolerance given": "no tolerance"}
SHARES = (
    "positive/", "negative/", "unobserved/", "counted/", "split/", "cue/", "no_positive",
    "tokens_over/", "unique_", "vocabulary_once", "negated_", "hedged_", "duplicates/",
)  # fmt: skip
"""How the names of figures that are shares begin."""
LENGTHS = (
    ("words", "words per report"),
    ("sentences", "sentences per report"),
    ("tokens", "MiniLM tokens per report"),
    ("reports_per_patient", "reports per patient"),
)
QUANTILES = ("mean", "p5", "p50", "p95", "p99")

Data = Mapping[str, Any]


def tables(data: Data) -> dict[str, Table]:
    """By key, in the order of the page; empty ones are left out."""
    made = (
        labels_table(data),
        outside_table(data),
        splits_table(data),
        lengths_table(data),
        repetition_table(data),
        cues_table(data),
        counts_table(data),
        published_table(data),
    )
    return {t.key: t for t in made if t.rows}


def labels_table(data: Data) -> Table:
    """One row per label; what was published beside it where something was."""
    every = {p["figure"]: p for p in data["published"]}
    known = [every.get(f"positive/{label}") for label in data["labels"]]
    heads = ["published"] if any(known) else []
    heads += ["verdict"] if any(p and p["tolerance"] is not None for p in known) else []
    rows = []
    for s, entry in zip(data["shares"], known):
        positive = s["positive"]
        beside = {"published": _published(entry), "verdict": _verdict(entry)}
        cells = [
            Cell(s["label"], "name"),
            Cell(f"{positive['count']:,}", "number"),
            Cell(percent(positive["share"]), "number"),
            Cell(f"{percent(positive['low'])} to {percent(positive['high'])}", "number"),
            *(beside[head] for head in heads),
            *(Cell(percent(s[k]["share"]), "number") for k in ("negative", "unobserved")),
        ]
        rows.append(tuple(cells))
    v = data["values"]
    sources = dict.fromkeys(p["source"] for p in known if p)
    return Table(
        "labels",
        "How often each label is positive",
        ("label", "positive", "share", "interval", *heads, "negative", "not observed"),
        tuple(rows),
        (
            f"Shares of all reports, of every split. Interval: {data['interval']}.",
            "Not observed: neither positive nor negative was said, or the uncertain are left out; "
            "losses and metrics skip it.",
            *(f"Published: {source}." for source in sources),
        ),
        (
            f"{v['positives/mean']:.2f} positive labels per report; {percent(v['no_positive'])} of "
            "the reports have none.",
            *_verdicts(data),
        ),
    )


def _published(entry: Data | None) -> Cell:
    return Cell(percent(entry["value"]), "number") if entry else Cell(NOT_ASKED, "absent")


def _verdict(entry: Data | None) -> Cell:
    verdict = entry["verdict"] if entry else NOT_ASKED
    return Cell(SHORT.get(verdict, verdict), JUDGED.get(verdict, "text"))


def _verdicts(data: Data) -> list[str]:
    """How many published figures are met, of those that came with a tolerance; and which of the
    others are shares that this many reports cannot tell from the published value."""
    judged = [p for p in data["published"] if p["verdict"] in JUDGED]
    if not judged:
        return []
    met = sum(p["verdict"] == WITHIN for p in judged)
    said = f"{met} of {len(judged)} published figures with a tolerance are met."
    intervals = {
        f"{kind}/{s['label']}": (s[kind]["low"], s[kind]["high"])
        for s in data["shares"]
        for kind in ("positive", "negative", "unobserved")
    }
    shares = [p for p in judged if p["verdict"] == OUTSIDE and p["figure"] in intervals]
    near = [
        p for p in shares if intervals[p["figure"]][0] <= p["value"] <= intervals[p["figure"]][1]
    ]
    if near:
        have = (
            "has the published value within its"
            if len(near) == 1
            else ("have the published value within their")
        )
        said += (
            f" Of {len(shares)} shares that are not, {len(near)} {have} interval: more reports "
            "would tell."
        )
    return [said]


def splits_table(data: Data) -> Table:
    """Reports and patients of each split, then patients by how many reports they have."""
    total = data["values"]["reports"]
    rows = [
        (
            Cell(name, "name"),
            Cell(f"{facts['reports']:,}", "number"),
            Cell(percent(facts["reports"] / total), "number"),
            Cell(f"{facts['patients']:,}", "number"),
        )
        for name, facts in data["splits"].items()
    ]
    patients = sum(n for _, _, n in data["reports_per_patient"])
    groups = [
        f"{_range(least, most)}: {percent(n / patients)}"
        for least, most, n in data["reports_per_patient"]
        if n
    ]
    rows.append(
        (
            Cell("all", "name"),
            Cell(f"{total:,.0f}", "number"),
            Cell("100%", "number"),
            Cell(f"{patients:,}", "number"),
        )
    )
    return Table(
        "splits",
        "Splits",
        ("split", "reports", "share", "patients"),
        tuple(rows),
        (f"Patients by their number of reports: {'; '.join(groups)}.",),
        apart=1,
    )


def _range(least: int, most: int | None) -> str:
    if most is None:
        return f"{least} or more"
    return str(least) if least == most else f"{least} to {most}"


def lengths_table(data: Data) -> Table:
    v = data["values"]
    rows = [
        (Cell(said, "name"), *(_number(v[f"{key}/{q}"]) for q in QUANTILES))
        for key, said in LENGTHS
        if v[f"{key}/mean"] is not None
    ]
    over = [(n, v[f"tokens_over/{n}"]) for n in (128, 256, 512)]
    notes = ["Words: what blanks separate. Sentences end in . ? or ! or at an empty line."]
    if over[0][1] is not None:
        longer = ", ".join(f"{n}: {percent(share)}" for n, share in over)
        notes.append(f"Reports with more tokens than {longer}. A shorter limit cuts them.")
    else:
        notes.append("Tokens were not counted: MiniLM's tokenizer is not installed (offline).")
    heads = ("length", "mean", "5%", "median", "95%", "99%")
    return Table("lengths", "Lengths", heads, tuple(rows), tuple(notes))


def repetition_table(data: Data) -> Table:
    """Vocabulary and repetition, for all reports and for as many as Open-i has."""
    v, openi = data["values"], data["openi"]
    size = f"{openi['reports']:,}"
    rows = []
    for key, said in (
        ("vocabulary", "distinct words"),
        ("vocabulary_once", "of them seen once"),
        ("unique_reports", "distinct reports, share"),
        ("unique_sentences", "distinct sentences, share"),
        ("duplicates/copied", "reports whose text another has"),
        ("duplicates/near", "reports with a near-copy"),
        ("duplicates/crossing", "test reports near-copied in training"),
    ):
        if key in v:
            at = (v.get(f"{key}/at/{openi['reports']}"), openi.get(key))
            rows.append((Cell(said, "name"), *(_cell(key, n) for n in (v[key], *at))))
    notes = (
        "Words here are runs of letters and digits in lower case; equal reports and sentences have "
        "equal such words.",
        f"Among {size}: expected among so many of these reports drawn at random. Open-i: its "
        f"{size} reports with text, before copies are collapsed.",
    )
    heads = ("what", "all reports", f"among {size}", "Open\u2011i")
    return Table("repetition", "Vocabulary and repetition", heads, tuple(rows), notes)


def cues_table(data: Data) -> Table:
    v = data["values"]
    rows = [
        (
            Cell(cue, "name"),
            Cell(kind),
            Cell(percent(v[f"cue/{cue}"]), "number"),
            _number(v[f"cue_rate/{cue}"]),
        )
        for kind, cues in data["cues"].items()
        for cue in cues
    ]
    found = (
        f"{percent(v['negated_sentences'] or 0)} of the sentences deny something and "
        f"{percent(v['hedged_sentences'] or 0)} hedge; {percent(v['negated_reports'])} and "
        f"{percent(v['hedged_reports'])} of the reports have such a sentence.",
    )
    heads = ("cue", "kind", "reports with it", "per 1,000 words")
    return Table("cues", "Negation, hedges and other cues", heads, tuple(rows), (), found)


def counts_table(data: Data) -> Table:
    rows = [
        (Cell(key.replace("_", " "), "name"), Cell(f"{n:,}", "number"))
        for key, n in data["counts"].items()
    ]
    return Table("counts", "What the loader counted", ("what", "number"), tuple(rows))


def published_table(data: Data) -> Table:
    return _compared(data["published"], "published", "Every published figure")


def outside_table(data: Data) -> Table:
    """Only those that are not met."""
    found = [p for p in data["published"] if p["verdict"] == OUTSIDE]
    return _compared(found, "outside", "Published figures that are not met")


def _compared(entries: Iterable[Data], key: str, title: str) -> Table:
    """Sources are numbered, and told in the notes."""
    sources: dict[str, int] = {}
    rows = []
    for p in entries:
        number = sources.setdefault(p["source"], len(sources) + 1)
        name, measured, tolerance = p["figure"], p["measured"], p["tolerance"]
        rows.append(
            (
                Cell(name, "name"),
                Cell(value(name, measured), "number"),
                Cell(value(name, p["value"]), "number"),
                Cell(NOT_ASKED if tolerance is None else f"± {value(name, tolerance)}", "number"),
                _verdict(p),
                Cell(f"[{number}]"),
            )
        )
    heads = ("figure", "measured", "published", "tolerance", "verdict", "source")
    notes = tuple(f"[{number}] {source}" for source, number in sources.items())
    return Table(key, title, heads, tuple(rows), notes)


def value(figure: str, number: float | None) -> str:
    """A figure as its kind is read: a share in percent, phi by its sign, counts whole."""
    if number is None:
        return NOT_ASKED
    if figure.startswith("phi/"):
        return f"{number:.3f}".replace("-", "−")
    if figure.startswith(SHARES):
        return percent(number)
    return _number(number).text


def _cell(figure: str, number: float | None) -> Cell:
    return Cell(value(figure, number), "absent" if number is None else "number")


def _number(number: float | None) -> Cell:
    if number is None:
        return Cell(NOT_ASKED, "absent")
    whole = number == round(number) or number >= 100
    return Cell(f"{number:,.0f}" if whole else f"{number:.2f}", "number")
