"""The command: `python -m tools.similarity_threshold`. Tables of error rates, as docs show them.

The threshold is chosen on a half of Open-i's reports, where $RADPRIV_DATA holds them; the tables
are of its other half and of the twins, on which nothing was chosen. Same seed, same tables.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from radpriv.benchmark.datasets.audit_set.compared_words import compared_words
from radpriv.benchmark.datasets.audit_set.similarity import COPY
from radpriv.benchmark.datasets.base import Dataset, datasets
from radpriv.benchmark.datasets.texts import normalise
from radpriv.errors import DataError

from .edits import COPIES
from .rates import BANDS, GRID, MOST_MISSED, Band, Measured, Rate, Words, choose, choosing_half
from .rates import measure as measured

OPENI = "openi"
TWINS = ("synthetic-plain", "synthetic-mimic-cxr", "synthetic-ct-rate")


def kept_numbers(text: str) -> list[str]:
    """Every word: dates, numbers and marks are compared like others."""
    return normalise(text).split()


def one_token(text: str) -> list[str]:
    """What is left out leaves one token behind, one for neighbours."""
    kept = iter(compared_words(text))
    awaited = next(kept, None)
    made: list[str] = []
    for word in kept_numbers(text):
        if word == awaited:
            made.append(word)
            awaited = next(kept, None)
        elif made[-1:] != ["#"]:
            made.append("#")
    return made


WORDS: Mapping[str, Words] = {"compared": compared_words, "token": one_token, "all": kept_numbers}


def arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.similarity_threshold",
        description="Plants near-copies into public reports and prints how many a threshold of "
        "similarity misses, and how many other reports it takes for near-copies.",
    )
    parser.add_argument(
        "--words",
        choices=WORDS,
        default="compared",
        help="compared (default): no dates, numbers, marks; token: one for each; all: them too",
    )
    parser.add_argument("--reports", type=int, default=3000, help="of each twin (default 3000)")
    parser.add_argument("--dataset", action="append", choices=(OPENI, *TWINS), help="repeatable")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(given)


def load(name: str, reports: int) -> Dataset | None:
    """None where Open-i is not at hand."""
    place = os.environ.get("RADPRIV_DATA")
    try:
        options = {} if name == OPENI else {"reports": reports}
        return datasets.get(name)(**options).load(Path(place) if place else None)
    except DataError:
        if name != OPENI:
            raise
        return None


def grid(found: Measured) -> Iterator[str]:
    """The lines of one table: thresholds by length."""
    yield "| words | reports | threshold | missed | false | left out | finding exchanged |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for band in (*BANDS, (0, BANDS[-1][1])):
        part = found.within(band)
        for t in GRID if len(part.words) else ():
            rates = (part.missed(t), part.false(t), part.left_out(t), part.findings(t))
            yield f"| {span(band)} | {len(part.words):,} | {t:.2f} | {cells(rates)} |"


def by_kind(found: Measured, threshold: float) -> Iterator[str]:
    """The lines of one table: shares of each kind missed, by length."""
    bands = [band for band in BANDS if len(found.within(band).words)]
    yield f"| missed at {threshold:g} | {' | '.join(map(span, bands))} |"
    yield f"| --- |{' --- |' * len(bands)}"
    for k, name in enumerate(COPIES):
        yield f"| {name} | {cells(found.within(b).missed(threshold, k) for b in bands)} |"


def cells(rates: Iterator[Rate] | tuple[Rate, ...]) -> str:
    """In percent: "4.1 [3.2, 5.2]"."""
    return " | ".join(
        f"{100 * r.value:.1f} [{100 * r.low:.1f}, {100 * r.high:.1f}]" if r.n else "–"
        for r in rates
    )


def span(band: Band) -> str:
    """ "10–19", "40 and more", "all"."""
    if band[1] < 1 << 30:
        return f"{band[0]}–{band[1] - 1}"
    return f"{band[0]} and more" if band[0] else "all"


def main(given: list[str] | None = None) -> int:
    asked = arguments(given)
    threshold = COPY
    for name in asked.dataset or (OPENI, *TWINS):
        dataset = load(name, asked.reports)
        if dataset is None:
            print(f"{name}: not there (set RADPRIV_DATA); the threshold is radpriv's, {COPY:g}\n")
            continue
        texts = list(dataset.texts)
        found = measured(texts, dataset.y, WORDS[asked.words], asked.seed)
        if name == OPENI:
            half = choosing_half(texts)
            threshold = choose(found.only(half))
            print(f"Chosen on {half.sum():,} reports of {name}: {threshold:g}, the largest that "
                  f"misses at most {MOST_MISSED:.0%} of planted near-copies\n")  # fmt: skip
            found = found.only(~half)
        print(f"## {name}: percent, with 95% intervals\n", *grid(found), "", sep="\n")
        print(*by_kind(found, threshold), "", sep="\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
