"""Where an attack finds what it declares beside stored scores: data, saved models, canaries.

    sources = Sources(store, data, jobs, FeatureCache(cache_folder()))
    if not (why := sources.available("texts", outputs)):      # "" or the reason why not
        candidates, population = sources.texts(outputs)

Everything is made when it is first asked for, and once for all seeds of a family where the seed
does not matter. A job knows the loader, the encoder and the audit key of a cell; its id holds the
hashes of the sources, so a job of the same id has the same data. Texts and what is computed from
them is private: it goes to RADPRIV_CACHE and to the attack, never into the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from radpriv.attacks.attack import NEEDS
from radpriv.attacks.inputs.audit_data import Material, draw_again
from radpriv.attacks.inputs.build_view import NotApplicable, NothingPlanted
from radpriv.attacks.inputs.canary_data import projections_of, secrets_of
from radpriv.attacks.inputs.cell_outputs import Outputs
from radpriv.attacks.inputs.saved_model import Saved
from radpriv.attacks.metrics import Bools
from radpriv.attacks.view import Matrix, Projections, Secret
from radpriv.benchmark.cell import digest
from radpriv.benchmark.datasets.texts import pick
from radpriv.benchmark.encoders.features import FeatureCache, RecordFunction
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.methods.classifier import Pooled
from radpriv.benchmark.store.store import Store
from radpriv.benchmark.suites.job import Job
from radpriv.errors import AttackError, RadprivError

Jobs = Mapping[str, Job] | Callable[[], Mapping[str, Job]]
"""Jobs by cell id, or what makes them when they are first needed."""

PUBLIC_WORDS = HashedWords(1024, 1, binary=False)
"""Features of a text where the method has no encoder: hashed words, L2 norm 1."""
MAX_LENGTH = 256
"""Tokens that features see, where the method does not say it."""
KEPT = {"model": 1, "encode": 1, "member": 4096, "answers": 4096}
"""How many of a kind are held in memory at once; 4 of any other."""


class AuxiliaryData:
    """What `Origins` (build_view.py) asks for. data: folder of the source data, if there is one."""

    def __init__(self, store: Store, data: Path | None, jobs: Jobs, cache: FeatureCache) -> None:
        self._store = store
        self._data = data
        self._jobs = jobs
        self._cache = cache
        self._failed = ""
        self._made: dict[tuple[str, ...], Any] = {}

    def available(self, need: str, outputs: Outputs) -> str:
        """ "" if this can be had for a cell, or one line that says why it cannot."""
        if need not in NEEDS:
            raise AttackError(f"'{need}': one of {', '.join(sorted(NEEDS))}")
        try:
            if need == "projections":
                self.projections(outputs)
            elif need == "encode":
                self.encode(outputs)
            elif need == "untuned":
                self._adapted(outputs)
            elif need == "query":
                _ = self._saved(outputs).kind
            elif need == "secrets":
                self.secrets(outputs)
            else:
                self._job(outputs)
        except NotApplicable as reason:
            return str(reason)
        return ""

    def texts(self, outputs: Outputs) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(m texts of the candidates, n of the test records), as training and scoring saw them."""
        found = self._material(outputs)
        return (
            tuple(found.whole[int(s)] for s in found.slots),
            tuple(found.test[int(r)] for r in found.order),
        )

    def features(self, outputs: Outputs) -> tuple[Matrix, Matrix]:
        """float32 (m, d), (n, d): a function of each text that no training changed.

        The pooled embedding of the encoder as it came; hashed words for a method without one.
        """
        job, found = self._job(outputs), self._material(outputs)
        f = public_function(job)

        def make() -> tuple[Matrix, Matrix]:
            own = pick(found.whole, found.slots)
            return self._values(f, own), self._values(f, found.test)[found.order]

        return self._once(("features", _universe(job), f.key), make)

    def untuned(self, outputs: Outputs) -> tuple[Matrix, Matrix]:
        """float32 (m, L), (n, L): logits, adapters off and the trained head kept."""
        found = self._material(outputs)

        def make() -> tuple[Matrix, Matrix]:
            model = self._adapted(outputs).untuned
            assert model.frozen is not None
            whole = self._cache.map(model.frozen, found.whole)
            test = self._cache.map(model.frozen, found.test)
            return (
                model.score([whole[int(s)] for s in found.slots]),
                model.score([test[int(r)] for r in found.order]),
            )

        return self._once(("untuned", str(outputs.cell.folder)), make)

    def query(self, outputs: Outputs) -> Callable[..., Matrix]:
        """(texts, untuned=False) -> float32 (n, L): the saved model."""
        saved = self._saved(outputs)
        _ = saved.kind
        return saved.query

    def encode(self, outputs: Outputs) -> Any:
        """The saved model's encoder, token by token (extraction/hidden_states.py)."""
        from radpriv.attacks.inputs.hidden_states import encode_of

        saved = self._saved(outputs)
        found = self._once(("encode", str(outputs.cell.folder)), lambda: encode_of(saved.fitted))
        if found is None:
            raise NotApplicable("it tuned no encoder, so there are no hidden states of its own")
        return found

    def secrets(self, outputs: Outputs) -> tuple[Secret | None, ...]:
        """m; None for a candidate that carries no secret."""
        if not any(kind.partition("*")[0] == "secret" for kind in outputs.kind):
            raise NothingPlanted("no secret canaries among the candidates; plant some in the suite")
        return secrets_of(self._job(outputs), self._key(outputs), outputs)

    def projections(self, outputs: Outputs) -> Projections:
        """What releases show of gradient canaries, one column per candidate (canary_data.py)."""
        place = ("projections", str(outputs.cell.folder))
        return self._once(place, lambda: projections_of(outputs))

    def member(self, outputs: Outputs) -> Bools | None:
        """bool (m,): the coins of a cell's candidates, drawn again; None without its data."""

        def make() -> Bools | None:
            try:
                job, slots = self._job(outputs), self._material(outputs).slots
            except AttackError:
                return None
            return job.universe(job.dataset(self._data)).member[slots]

        return self._once(("member", str(outputs.cell.folder)), make)

    def answers(self, outputs: Outputs, rows: np.ndarray) -> Matrix | None:
        """float32 (rows, L): what the saved model says of some candidates; None where it, or the
        data, is not at hand."""

        def make() -> Matrix | None:
            try:
                found = self._material(outputs)
                texts = [found.whole[int(s)] for s in found.slots[rows]]
                return self._saved(outputs).query(texts)
            except Exception:  # also of a plug-in's model; an attack that needs it says so
                return None

        return self._once(("answers", str(outputs.cell.folder), str(rows.tolist())), make)

    def _job(self, outputs: Outputs) -> Job:
        """The job of a cell; NotApplicable where the suite or its data is not at hand."""
        if callable(self._jobs):
            try:
                self._jobs = self._jobs()
            except RadprivError as error:
                self._failed, self._jobs = str(error), {}
        job = self._jobs.get(outputs.cell.record.cell_id)
        if job is None:
            why = self._failed or "the suite has no such cell with the data that is at hand"
            raise NotApplicable(f"the data it was trained on is needed, see --data ({why})")
        return job

    def _key(self, outputs: Outputs) -> bytes:
        """Under which the cell's ids were hashed."""
        opened = outputs.cell.record.card.release == "open"
        return self._job(outputs).audit_key if opened else self._store.secret()

    def _material(self, outputs: Outputs) -> Material:
        """The universe of a cell, checked against what the cell says of it."""
        job, key = self._job(outputs), self._key(outputs)
        name = ("material", _universe(job), digest(key.hex()))
        found: Material = self._once(name, lambda: draw_again(job, self._data, key))
        found.check(outputs)
        return found

    def _saved(self, outputs: Outputs) -> Saved:
        job, folder = self._job(outputs), outputs.cell.folder / "model"
        return self._once(("model", str(folder)), lambda: Saved(folder, job.method, job.encoder))

    def _adapted(self, outputs: Outputs) -> Saved:
        saved = self._saved(outputs)
        if not saved.adapted:
            raise NotApplicable("it tunes no encoder, so there are no adapters to take off")
        return saved

    def _values(self, f: RecordFunction, texts: Sequence[str]) -> Matrix:
        return np.asarray(self._cache.map(f, texts).values, np.float32)

    def _once(self, name: tuple[str, ...], make: Callable[[], Any]) -> Any:
        """What `make` gives; of each kind those that were used last stay in memory."""
        found = self._made.pop(name) if name in self._made else make()
        same = [other for other in self._made if other[0] == name[0]]
        if len(same) >= KEPT.get(name[0], 4):
            del self._made[same[0]]
        self._made[name] = found
        return found


def public_function(job: Job) -> RecordFunction:
    """What features of a cell's texts are: the encoder before any training, or hashed words."""
    if job.encoder is None:
        return PUBLIC_WORDS
    asked = getattr(job.method, "max_length", MAX_LENGTH)
    return Pooled(job.encoder, min(int(asked), job.encoder.positions))


def _universe(job: Job) -> str:
    """Names what the records of a universe depend on, the seed apart."""
    cell = job.cell.as_dict()
    kept = ("dataset_identity", "audit", "n_public", "limited", "per_patient")
    return digest([job.cell.dataset, {key: cell.get(key) for key in kept}])
