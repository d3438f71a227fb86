"""Everything that a method, an attack or a dataset of your own needs, in one import.

    from radpriv.api import HashedWords, Method, clipped_sum, methods          # a method
    from radpriv.api import Attack, View, attacks                             # an attack
    from radpriv.api import Card, Loader, datasets                            # a dataset
    from radpriv.api import predict                                           # a finished cell

It re-exports and does nothing else. A name is loaded from its own module when it is first asked
for, and a plug-in depends on the modules of the names that it imports, not on all of these
(benchmark/store/facade.py). examples/ has a whole plug-in of each kind, docs/plugins.md says how
radpriv finds it. Only plug-ins, examples and tests import this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from radpriv.benchmark.store.facade import facade

if TYPE_CHECKING:
    from radpriv.attacks.attack import Attack, Extraction, attacks
    from radpriv.attacks.membership.loss import mean_bce
    from radpriv.attacks.membership.signals import (
        filled,
        labelled,
        likelihood,
        mean_loss,
        phi,
        stacked,
    )
    from radpriv.attacks.metrics import (
        Bools,
        Floats,
        Interval,
        advantage,
        auc,
        auc_interval,
        roc,
        tpr_at_fpr,
    )
    from radpriv.attacks.public_random import public_permutation, public_words
    from radpriv.attacks.view import (
        Matrix,
        Population,
        Projections,
        Reference,
        Secret,
        View,
        memoised,
    )
    from radpriv.baselines.solvers.linear import LinearModel, fit_dp_linear
    from radpriv.benchmark.cell import Budget
    from radpriv.benchmark.datasets.base import Card, Dataset, Loader, datasets
    from radpriv.benchmark.datasets.chexpert import CHEXPERT, NO_FINDING
    from radpriv.benchmark.datasets.io.streamed import Row, StreamedLoader
    from radpriv.benchmark.datasets.io.strict_csv import CsvTable
    from radpriv.benchmark.datasets.public_coins import hashed
    from radpriv.benchmark.datasets.reference_figures import Published
    from radpriv.benchmark.datasets.texts import Texts, normalise
    from radpriv.benchmark.encoders.encoders import Encoder
    from radpriv.benchmark.encoders.features import OnePerThread, RecordFunction
    from radpriv.benchmark.encoders.hashed_words import HashedWords
    from radpriv.benchmark.methods.classifier import (
        FineTune,
        FrozenPart,
        Lora,
        Pooled,
        build_classifier,
        masked_bce,
    )
    from radpriv.benchmark.methods.fitted import (
        LinearFitted,
        LoraFitted,
        read_spec,
        read_tensors,
        write_spec,
    )
    from radpriv.benchmark.methods.method import Fitted, Method, methods
    from radpriv.benchmark.privacy.bounded import ClippedSum, Declared, bounded_sum
    from radpriv.benchmark.privacy.clipping import clipped_sum
    from radpriv.benchmark.privacy.records import (
        PrivateFeatures,
        PrivateRecords,
        RawRecords,
        Records,
    )
    from radpriv.benchmark.privacy.release import Noised, apply
    from radpriv.benchmark.privacy.run import Run
    from radpriv.benchmark.privacy.step import Step
    from radpriv.benchmark.store.digests import file_sha256
    from radpriv.errors import (
        AttackError,
        CellFailed,
        DataError,
        EncoderError,
        PluginError,
        PrivacyError,
        RadprivError,
        StoreError,
        SuiteError,
    )
    from radpriv.workflow.predict_labels import Predictions, predict
else:
    __getattr__ = facade(__name__, __file__)

__all__ = [
    "CHEXPERT",
    "NO_FINDING",
    "Attack",
    "AttackError",
    "Bools",
    "Budget",
    "Card",
    "CellFailed",
    "ClippedSum",
    "CsvTable",
    "DataError",
    "Dataset",
    "Declared",
    "Encoder",
    "EncoderError",
    "Extraction",
    "FineTune",
    "Fitted",
    "Floats",
    "FrozenPart",
    "HashedWords",
    "Interval",
    "LinearFitted",
    "LinearModel",
    "Loader",
    "Lora",
    "LoraFitted",
    "Matrix",
    "Method",
    "Noised",
    "OnePerThread",
    "PluginError",
    "Pooled",
    "Population",
    "Predictions",
    "PrivacyError",
    "PrivateFeatures",
    "PrivateRecords",
    "Projections",
    "Published",
    "RadprivError",
    "RawRecords",
    "RecordFunction",
    "Records",
    "Reference",
    "Row",
    "Run",
    "Secret",
    "Step",
    "StoreError",
    "StreamedLoader",
    "SuiteError",
    "Texts",
    "View",
    "advantage",
    "apply",
    "attacks",
    "auc",
    "auc_interval",
    "bounded_sum",
    "build_classifier",
    "clipped_sum",
    "datasets",
    "file_sha256",
    "filled",
    "fit_dp_linear",
    "hashed",
    "labelled",
    "likelihood",
    "masked_bce",
    "mean_bce",
    "mean_loss",
    "memoised",
    "methods",
    "normalise",
    "phi",
    "predict",
    "public_permutation",
    "public_words",
    "read_spec",
    "read_tensors",
    "roc",
    "stacked",
    "tpr_at_fpr",
    "write_spec",
]
