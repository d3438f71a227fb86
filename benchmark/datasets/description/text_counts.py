"""Texts in numbers: lengths, vocabulary, repetition and cues, in one pass that keeps no text.

    measured = measure(dataset.texts)

What is kept of a report is its lengths, the hash of its normal form and those of its sentences,
and which words it has; what is given back is counts and shares, never a word.

Definitions. Words of a length: what blanks separate. Words of the vocabulary: runs of letters and
digits, lower case. Sentence: what ends in . ? or ! before a blank, or at an empty line, and holds a
letter. Normal form: letters and digits in lower case, one blank between runs of them.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from radpriv.benchmark.datasets.description.cues import CUES, DENIES, HEDGES, occurrences

_SENTENCE = re.compile(r"(?<=[.?!])\s+|\n\s*\n")
_LETTER = re.compile(r"[^\W\d_]")
_RUN = re.compile(r"\w+")


@dataclass(frozen=True)
class TextCounts:
    """words, sentences: int64 (n,), per report.

    vocabulary: {occurrences: how many words occur so often}; word_reports, text_reports,
    sentence_reports: {k: how many words, normal texts, normal sentences k reports have}.
    cue_reports, cue_total: (cues,) reports with a cue, and occurrences.
    """

    words: NDArray[np.int64] = field(repr=False)
    sentences: NDArray[np.int64] = field(repr=False)
    vocabulary: Mapping[int, int] = field(repr=False)
    word_reports: Mapping[int, int] = field(repr=False)
    text_reports: Mapping[int, int] = field(repr=False)
    sentence_reports: Mapping[int, int] = field(repr=False)
    cue_reports: NDArray[np.int64] = field(repr=False)
    cue_total: NDArray[np.int64] = field(repr=False)
    denied: tuple[int, int]
    """Sentences with a negation cue, and reports with such a sentence."""
    hedged: tuple[int, int]

    def __len__(self) -> int:
        return len(self.words)


def sentences(text: str) -> Iterator[str]:
    return (piece for piece in _SENTENCE.split(text) if _LETTER.search(piece))


def measure(texts: Iterable[str], progress: Callable[[int], None] | None = None) -> TextCounts:
    """One pass. Memory grows by the number of distinct words, and 8 bytes for each sentence."""
    lengths, counts, hashes, said = array("q"), array("q"), array("Q"), array("Q")
    uses: Counter[str] = Counter()
    reports: Counter[str] = Counter()
    with_cue = np.zeros(len(CUES), np.int64)
    total = np.zeros(len(CUES), np.int64)
    denied, hedged = [0, 0], [0, 0]
    for text in texts:
        low = text.lower()
        runs = _RUN.findall(low)
        uses.update(runs)
        reports.update(set(runs))
        lengths.append(len(low.split()))
        hashes.append(_hash(" ".join(runs)))
        own = list(sentences(low))
        counts.append(len(own))
        said.extend({_hash(" ".join(_RUN.findall(sentence))) for sentence in own})
        flat = " ".join(low.split())
        found = np.array(occurrences(flat), np.int64)
        with_cue += found > 0
        total += found
        for tally, pattern in ((denied, DENIES), (hedged, HEDGES)):
            some = sum(pattern.search(" ".join(sentence.split())) is not None for sentence in own)
            tally[0] += some
            tally[1] += some > 0
        if progress is not None:
            progress(1)
    return TextCounts(
        words=np.array(lengths, np.int64),
        sentences=np.array(counts, np.int64),
        vocabulary=_multiplicity(uses.values()),
        word_reports=_multiplicity(reports.values()),
        text_reports=_repeats(hashes),
        sentence_reports=_repeats(said),
        cue_reports=with_cue,
        cue_total=total,
        denied=(denied[0], denied[1]),
        hedged=(hedged[0], hedged[1]),
    )


def distinct(reports: Mapping[int, int], n: int, sample: int) -> float:
    """Distinct things expected in `sample` of n reports, drawn without replacement.

    reports: {k: how many things k reports have}. A thing that k of n reports have is missed with
    probability C(n − k, sample) / C(n, sample), so this needs no drawing and no order of reports
    (the sample-based rarefaction of Ugland, Gray and Ellingsen 2003, J. Anim. Ecol. 72:888–897).
    """
    if sample >= n:
        return float(sum(reports.values()))
    k = np.array(list(reports), np.float64)
    many = np.array(list(reports.values()), np.float64)
    rest = n - k - sample
    room = np.maximum(rest, 0)
    missed = gammaln(n - k + 1) - gammaln(room + 1) - gammaln(n + 1) + gammaln(n - sample + 1)
    return float(many @ (1 - np.where(rest >= 0, np.exp(missed), 0.0)))


def _hash(text: str) -> int:
    raw = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "big")


def _multiplicity(counts: Iterable[int]) -> dict[int, int]:
    return dict(sorted(Counter(counts).items()))


def _repeats(hashes: array[int]) -> dict[int, int]:
    """{how often: how many different hashes}."""
    if not hashes:
        return {}
    _, often = np.unique(np.frombuffer(hashes, np.uint64), return_counts=True)
    return _multiplicity(often.tolist())
