"""What an attack sees, and who joins the answer with the truth.

A `View` holds the target's outputs and everything an attacker may know *except which candidates of
the target were members*: those flags are not in the object, they stay with the `Scorer` until the
attack has answered. This stops accidents, not malice.

Public: labels as training would have used them, slots, lengths, similarities, patients (HMAC).
Private: all of it is data about private records and is kept in private/ folders of the store.

What needs more than stored scores is there only for an attack that declares it (attack.py):
features, untuned, texts, query, encode, secrets and projections are None otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from radpriv.attacks.metrics import Bools, Floats
from radpriv.errors import AttackError

if TYPE_CHECKING:
    from radpriv.benchmark.encoders.encoders import Encoder

Matrix = NDArray[np.float32]
Memo = dict[str, Any]
"""What was computed once from one model's outputs, by name. A view and a reference of the same
model have one each: a reference's may depend on its flags."""

T = TypeVar("T")


class Encode(Protocol):
    """encoder: whose tokenizer and language-model head belong to it.  max_length: as trained."""

    @property
    def encoder(self) -> Encoder: ...
    @property
    def max_length(self) -> int: ...
    def __call__(self, ids: Sequence[Sequence[int]], untuned: bool = False) -> list[Matrix]:
        """Last hidden states, float32 (T, H) for each sequence of T token ids, in order."""


def memoised(memo: Memo, name: str, make: Callable[[], T]) -> T:
    """What `make` gives, made once per model."""
    if name not in memo:
        memo[name] = make()
    return memo[name]


@dataclass(frozen=True, eq=False)
class Population:
    """Test records, never candidates: logits and labels, float32 (n, L), NaN = not observed.

    untuned: float32 (n, L), see View.  features: float32 (n, d).  texts: n.
    """

    logits: Matrix = field(repr=False)
    labels: Matrix = field(repr=False)
    untuned: Matrix | None = field(default=None, repr=False)
    features: Matrix | None = field(default=None, repr=False)
    texts: tuple[str, ...] | None = field(default=None, repr=False)
    memo: Memo = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        n = len(self.logits)
        _matrices("population", self.logits, self.labels, n)
        _rows("population", n, self.untuned, self.features, self.texts)
        _freeze(self)

    def label(self, j: int) -> Population:
        """The same records, of which one label alone is known."""
        one = slice(j, j + 1)
        untuned = None if self.untuned is None else self.untuned[:, one]
        return replace(
            self, logits=self.logits[:, one], labels=self.labels[:, one], untuned=untuned, memo={}
        )


@dataclass(frozen=True, eq=False)
class Reference:
    """Another seed of the target's family, over the same candidates, with its own coins.

    logits, labels: float32 (m, L). slots: int64 (m,). member: bool (m,), of *this* run, drawn
    independently of the target's. population: the same test records as the target's.
    """

    seed: int
    logits: Matrix = field(repr=False)
    labels: Matrix = field(repr=False)
    slots: NDArray[np.int64] = field(repr=False)
    member: Bools = field(repr=False)
    population: Population = field(repr=False)
    memo: Memo = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        _matrices(f"reference of seed {self.seed}", self.logits, self.labels, len(self.slots))
        if self.member.shape != self.slots.shape or self.member.dtype != np.bool_:
            raise AttackError(f"reference of seed {self.seed}: one boolean flag per slot is needed")
        _freeze(self)

    def only(self, rows: NDArray[np.int64]) -> Reference:
        """Some of the candidates."""
        return _taken(self, rows)

    def label(self, j: int) -> Reference:
        """The same candidates, of which one label alone is known."""
        one = slice(j, j + 1)
        return replace(
            self,
            logits=self.logits[:, one],
            labels=self.labels[:, one],
            population=self.population.label(j),
            memo={},
        )


@dataclass(frozen=True, eq=False)
class Projections:
    """What each release shows of each gradient canary (benchmark/privacy/gradient_canaries.py).

    values: float64 (releases, m), <noised value, direction>; of sums, not of means.  float64
    (releases,) and public:  norm, the clip norm, which is what a canary adds where it was drawn;
    sigma, the standard deviation of the noise in each coordinate (not the noise multiplier);
    rate, the probability with which a member was drawn.
    """

    values: Floats = field(repr=False)
    norm: Floats = field(repr=False)
    sigma: Floats = field(repr=False)
    rate: Floats = field(repr=False)

    def __post_init__(self) -> None:
        shape = self.values.shape[:1]
        if self.values.ndim != 2 or not (
            self.norm.shape == self.sigma.shape == self.rate.shape == shape
        ):
            raise AttackError("projections: one norm, sigma and rate per release are needed")
        _freeze(self)


@dataclass(frozen=True)
class Secret:
    """The record that a canary would be with another secret (audit_set/canaries.py).

    truth: the secret that was planted, or would have been.  space: secrets are 0 … space − 1, all
    equally likely.  text: of the record with this secret; its labels are those of its row.
    """

    truth: int = field(repr=False)
    space: int
    text: Callable[[int], str] = field(repr=False)


@dataclass(frozen=True, eq=False)
class View:
    """One target, in slot order, without its flags.

    logits, labels: float32 (m, L), NaN label = not observed.  slots: int64 (m,), increasing.
    length: int32 (m,), words.  similarity: float32 (m,) in [0, 1], to the nearest record of another
    unit, in or out alike (near_copies.py).  patient: m pseudonyms.  kind: m words, "natural",
    "mislabelled" or a canary's name.  references: the other seeds.

    On declaration:  untuned: float32 (m, L), logits of the encoder as it was before fine-tuning
    under the *trained* head.  features: float32 (m, d), a public function of each text that no
    training changed.  texts: m.  query(texts, untuned=False) -> float32 (n, L), the saved model.
    encode(ids, untuned=False) -> its encoder's last hidden states (inputs/hidden_states.py).
    secrets: m, None for what is no secret canary.  projections: of gradient canaries.
    """

    logits: Matrix = field(repr=False)
    labels: Matrix = field(repr=False)
    slots: NDArray[np.int64] = field(repr=False)
    length: NDArray[np.int32] = field(repr=False)
    similarity: NDArray[np.float32] = field(repr=False)
    patient: tuple[str, ...] = field(repr=False)
    references: tuple[Reference, ...] = field(repr=False)
    population: Population = field(repr=False)
    kind: tuple[str, ...] = field(default=(), repr=False)
    untuned: Matrix | None = field(default=None, repr=False)
    features: Matrix | None = field(default=None, repr=False)
    texts: tuple[str, ...] | None = field(default=None, repr=False)
    query: Callable[..., Matrix] | None = field(default=None, repr=False)
    encode: Encode | None = field(default=None, repr=False)
    secrets: tuple[Secret | None, ...] | None = field(default=None, repr=False)
    projections: Projections | None = field(default=None, repr=False)
    memo: Memo = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        m = len(self.slots)
        _matrices("view", self.logits, self.labels, m)
        if not len(self.length) == len(self.similarity) == len(self.patient) == m:
            raise AttackError("view: length, similarity and patient need one entry per slot")
        if not self.kind:
            object.__setattr__(self, "kind", ("natural",) * m)
        _rows("view", m, self.kind, self.untuned, self.features, self.texts, self.secrets)
        if self.projections is not None and self.projections.values.shape[1] != m:
            raise AttackError("view: projections need one column per slot")
        for other in self.references:
            if not np.array_equal(other.slots, self.slots):
                raise AttackError(
                    f"the reference of seed {other.seed} has other candidates than the target: "
                    "one family shares its audit set; run its cells again"
                )
        _freeze(self)

    def __len__(self) -> int:
        return len(self.slots)

    def only(self, rows: NDArray[np.int64]) -> View:
        """Some of the candidates, by increasing row, in this view and in every reference."""
        projections = self.projections
        if projections is not None:
            projections = replace(projections, values=projections.values[:, rows])
        others = tuple(r.only(rows) for r in self.references)
        return replace(_taken(self, rows), references=others, projections=projections)

    def label(self, j: int) -> View:
        """The same candidates, of which one label alone is known: who leaks through label j?"""
        one = slice(j, j + 1)
        return replace(
            self,
            logits=self.logits[:, one],
            labels=self.labels[:, one],
            untuned=None if self.untuned is None else self.untuned[:, one],
            references=tuple(r.label(j) for r in self.references),
            population=self.population.label(j),
            memo={},
        )


def _taken(owner: Any, rows: NDArray[np.int64]) -> Any:
    """The same object with these rows of every field that has one entry per slot."""
    m = len(owner.slots)
    changed: dict[str, Any] = {"memo": {}}
    for f in fields(owner):
        value = getattr(owner, f.name)
        if isinstance(value, np.ndarray):
            changed[f.name] = value[rows]
        elif isinstance(value, tuple) and len(value) == m and f.name in PER_SLOT:
            changed[f.name] = tuple(value[i] for i in rows)
        elif f.name == "projections":
            changed[f.name] = None  # the caller gives it its columns
    if "references" in {f.name for f in fields(owner)}:
        changed["references"] = ()
    return replace(owner, **changed)


PER_SLOT = frozenset({"patient", "kind", "texts", "secrets"})


@dataclass(frozen=True, eq=False)
class Scorer:
    """Holds the target's flags, bool (m,), and joins them after the attack has answered.

    gaps: whether an answer may be NaN, "not asked", as an amount of extraction may.
    """

    member: Bools = field(repr=False)
    gaps: bool = False

    def join(self, attack: str, answer: object) -> tuple[Floats, Bools]:
        """(scores, member): the answer as float64 (m,), checked for shape, dtype and finiteness."""
        m = len(self.member)
        if not isinstance(answer, np.ndarray) or answer.shape != (m,):
            given = getattr(answer, "shape", type(answer).__name__)
            raise AttackError(
                f"attack '{attack}' answered {given}: return one score per candidate, shape ({m},)"
            )
        if not np.issubdtype(answer.dtype, np.floating):
            raise AttackError(f"attack '{attack}' answered {answer.dtype}: return floats")
        fine = np.isfinite(answer) | (np.isnan(answer) & self.gaps)
        if bad := int((~fine).sum()):
            raise AttackError(
                f"attack '{attack}': {bad} of {m} scores are not finite: mend the attack, or leave "
                "out the run whose logits are not finite"
            )
        return answer.astype(np.float64), self.member


def _matrices(what: str, logits: Matrix, labels: Matrix, rows: int) -> None:
    if logits.ndim != 2 or logits.shape != labels.shape or len(logits) != rows:
        raise AttackError(
            f"{what}: logits {logits.shape} and labels {labels.shape} must both be ({rows}, labels)"
        )


def _rows(what: str, rows: int, *columns: Sequence[Any] | Matrix | None) -> None:
    for column in columns:
        if column is not None and len(column) != rows:
            raise AttackError(
                f"{what}: {len(column)} entries for {rows} records; give one for each"
            )


def _freeze(owner: Any) -> None:
    """Arrays become read-only views: an attack cannot change what the next one sees."""
    for name, value in list(vars(owner).items()):
        if isinstance(value, np.ndarray):
            locked = value.view()
            locked.setflags(write=False)
            object.__setattr__(owner, name, locked)
