"""Filling masked names, numbers and findings (Lehman et al. 2021, NAACL, arXiv 2104.07762).

    radpriv attack SUITE --attack fill_mask

Whoever holds the weights of a fine-tuned encoder may put a language-model head on it and ask what
stands behind a mask. A span of a report (spans.py) is masked whole, every word piece of it, so
that no piece gives the others away; the amount is how many bits more of the truth the tuned encoder
tells than the untuned one under the same head, per word piece and on average over the spans. Text
that is common in the field gets easier for everybody; what leaks is the gain of members beyond the
others'. `remarks` says which head it was (lm_head.py).

A classifier is never trained to name words, so a small gain is what to expect of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from radpriv.attacks.attack import Extraction, attacks
from radpriv.attacks.extraction.lm_head import OWN, Head, Matrix, head_of
from radpriv.attacks.extraction.spans import Span, findings, phi
from radpriv.attacks.metrics import Floats
from radpriv.attacks.public_random import public_permutation, public_words
from radpriv.attacks.view import Encode, View
from radpriv.errors import AttackError

WHAT = {"phi": (phi,), "findings": (findings,), "all": (phi, findings)}
MEASURES = ("probability", "rank")
TOGETHER = 128
"""Masked copies per call of the encoder; more would only take memory."""


@dataclass(frozen=True)
class Masked:
    """One copy of a text with one span masked. ids: all tokens. at: masked; truth: behind them."""

    ids: tuple[int, ...]
    at: tuple[int, ...]
    truth: tuple[int, ...]


@attacks.register("fill_mask")
@dataclass(frozen=True)
class FillMask(Extraction):
    """Bits per masked word piece that fine-tuning adds.

    what: "phi", "findings" or "all".  masks: spans per text, the same for the same number of them.
    candidates: patients that are asked, of each kind; which ones is a public rule.  measure:
    "probability" is log2 P(truth), "rank" −log2 of the truth's place in the vocabulary.
    """

    what: str = "all"
    masks: int = 6
    candidates: int = 200
    measure: str = "probability"

    version: ClassVar[int] = 1
    on: ClassVar[str] = "records"
    needs: ClassVar[frozenset[str]] = frozenset({"texts", "encode"})
    quantity: ClassVar[str] = "bits gained by fine-tuning per masked word piece"
    chance: ClassVar[float | None] = 0.0

    def __post_init__(self) -> None:
        if self.what not in WHAT or self.measure not in MEASURES:
            raise AttackError(
                f"fill_mask: what is one of {', '.join(WHAT)} and measure one of "
                f"{', '.join(MEASURES)}"
            )
        if self.masks < 1 or self.candidates < 1:
            raise AttackError("fill_mask: give at least one mask and one candidate")

    def remarks(self, view: View) -> dict[str, str]:
        """What a reader of the result must know: the head that filled the masks."""
        return {"head": self._head(view).origin}

    def diagnostics(self, view: View) -> dict[str, float]:
        """Whether the head is the checkpoint's: 1, or 0 for one trained on public text."""
        return {"head of the checkpoint": float(self._head(view).origin == OWN)}

    def score(self, view: View) -> Floats:
        """float64 (m,), bits; NaN where not asked: no such span, or not among the candidates."""
        if view.texts is None or view.encode is None:
            raise AttackError("fill_mask needs the texts, and a model that tuned an encoder")
        texts = view.texts
        rows = chosen(view, self.candidates)
        copies = {text: masked(view.encode, text, self) for text in {texts[r] for r in rows}}
        copies = {text: some for text, some in sorted(copies.items()) if some}
        if not copies:
            raise AttackError("no text has anything to mask: try what = 'findings'")
        gains = self.gains(view.encode, self._head(view), copies)
        answer = np.full(len(view), np.nan)
        for row in rows:
            answer[row] = gains.get(texts[row], np.nan)
        return answer

    def gains(
        self, encode: Encode, head: Head, copies: Mapping[str, Sequence[Masked]]
    ) -> dict[str, float]:
        """The mean over each text's masked copies, in bits per word piece."""
        flat = [(text, one) for text, some in copies.items() for one in some]
        each: dict[str, list[float]] = {text: [] for text in copies}
        for start in range(0, len(flat), TOGETHER):
            part = flat[start : start + TOGETHER]
            batch = [one for _, one in part]
            before, after = (self.log_scores(encode, head, batch, old) for old in (True, False))
            for (text, _), gain in zip(part, after - before, strict=True):
                each[text].append(float(gain))
        return {text: float(np.mean(some)) for text, some in each.items()}

    def log_scores(
        self, encode: Encode, head: Head, batch: Sequence[Masked], untuned: bool
    ) -> Floats:
        """(n,): bits, or −log2 rank, of the truth; a mean over the word pieces of each copy."""
        hidden = encode([one.ids for one in batch], untuned=untuned)
        at = np.concatenate([h[list(one.at)] for h, one in zip(hidden, batch, strict=True)])
        truth = np.concatenate([one.truth for one in batch])
        owner = np.repeat(np.arange(len(batch)), [len(one.at) for one in batch])
        amount = truth_in(head.log2(at), truth, self.measure)
        return np.bincount(owner, weights=amount) / np.bincount(owner)

    def _head(self, view: View) -> Head:
        if view.encode is None:
            raise AttackError("fill_mask needs a model that tuned an encoder")
        return head_of(view.encode.encoder)


def truth_in(log2: Matrix, truth: np.ndarray, measure: str) -> Floats:
    """(n,): log2 P of the truth, or −log2 of its rank, ties at their mean."""
    own = log2[np.arange(len(truth)), truth]
    if measure == "probability":
        return own.astype(np.float64)
    above = (log2 > own[:, None]).sum(axis=1)
    tied = (log2 == own[:, None]).sum(axis=1) - 1
    return -np.log2(1.0 + above + 0.5 * tied)


def chosen(view: View, most: int) -> list[int]:
    """Rows of the patients that are asked: of each kind those with the smallest public words."""
    seen = set(zip(view.kind, view.patient, strict=True))
    words = {key: int(public_words(1, "fill_mask", "patient", key[1])[0]) for key in seen}
    kept: set[tuple[str, str]] = set()
    for kind in sorted({kind for kind, _ in seen}):
        own = sorted((key for key in seen if key[0] == kind), key=lambda key: (words[key], key))
        kept.update(own[:most])
    keys = zip(view.kind, view.patient, strict=True)
    return [row for row, key in enumerate(keys) if key in kept]


def masked(encode: Encode, text: str, attack: FillMask) -> list[Masked]:
    """Copies of a text with one span masked in each; spans beyond what the model reads are none."""
    tokenizer = encode.encoder.tokenizer
    if tokenizer.mask_token_id is None:
        raise AttackError(f"encoder '{encode.encoder.name}' has no mask token: nothing to fill")
    found = tokenizer(
        text, truncation=True, max_length=encode.max_length, return_offsets_mapping=True
    )
    ids, offsets = list(found["input_ids"]), [tuple(o) for o in found["offset_mapping"]]
    places = [at for span in spans(text, attack.what) if (at := tokens_of(span, offsets))]
    order = public_permutation(len(places), "fill_mask", "spans", len(places))[: attack.masks]
    return [_copy(ids, places[i], int(tokenizer.mask_token_id)) for i in sorted(order.tolist())]


def spans(text: str, what: str) -> Iterator[Span]:
    for finder in WHAT[what]:
        yield from finder(text)


def tokens_of(span: Span, offsets: Sequence[Any]) -> tuple[int, ...]:
    """Tokens that a span of characters touches; none if the text was cut before its end."""
    start, end = span
    at = tuple(i for i, (a, b) in enumerate(offsets) if a < end and b > start)
    return at if at and offsets[at[-1]][1] >= end else ()


def _copy(ids: Sequence[int], at: tuple[int, ...], mask: int) -> Masked:
    hidden = set(at)
    shown = tuple(mask if i in hidden else token for i, token in enumerate(ids))
    return Masked(shown, at, tuple(ids[i] for i in at))
