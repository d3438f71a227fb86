"""What model.json says of a saved model: its kind, its labels, and how it finds its features again.

    write_spec(folder, {"kind": "prior", "labels": ["Edema"]})
    read_spec(folder, "prior")["labels"]

Types of the known keys are checked when a file is read; a method may add keys of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ConfigDict
from typing_extensions import TypedDict

from radpriv.benchmark.encoders.hashed_words import HashedSpec, Hashing
from radpriv.benchmark.store.atomic import write_json
from radpriv.benchmark.store.schema import read
from radpriv.errors import StoreError


class PooledSpec(TypedDict):
    """Features that are the pooled states of an encoder."""

    features: Literal["pooled"]
    max_length: int
    encoder: str
    encoder_sha256: str


FeatureSpec = HashedSpec | PooledSpec


class ModelSpec(TypedDict, total=False):
    """kind, labels: of every model.  The rest: of those that need it.

    features, hashing: see HashedSpec and PooledSpec.  start: the first layer that LoRA trains.
    hedges, unknown, lexicon_sha256: of the keyword labeller.
    """

    __pydantic_config__ = ConfigDict(  # type: ignore[misc]
        strict=True, extra="allow", hide_input_in_errors=True, allow_inf_nan=False
    )

    kind: str
    labels: list[str]
    features: str
    hashing: Hashing
    max_length: int
    encoder: str
    encoder_sha256: str
    start: int
    hedges: str
    unknown: list[str]
    lexicon_sha256: str


def write_spec(folder: Path, spec: ModelSpec) -> None:
    """Write model.json, what a saved model is beside its tensors; `kind` says whose it is."""
    write_json(folder / "model.json", spec)


def read_spec(folder: Path, kind: str) -> ModelSpec:
    """Read model.json of a saved model of this kind.

    Raises:
        StoreError: the file is absent or damaged, or another kind's.
    """
    path = folder / "model.json"
    spec = read(ModelSpec, path)
    if spec.get("kind") != kind or "labels" not in spec:
        raise StoreError(f"{path}: not a saved '{kind}' model")
    return spec
