"""Stock Opacus as a method, for replay.

    radpriv check benchmark/conformance/stock_opacus.py                  # its rate follows N
    radpriv check benchmark/conformance/stock_opacus.py --set batch=13   # and so does its divisor

`PrivacyEngine.make_private` is used as its own examples use it: a DataLoader over the training
set, mean loss, Poisson sampling. An adapter hands its noise call to the recorder, and gives it one
coin per unit, so that a neighbour's run differs by what Opacus computes and not by a shifted
generator. Nothing else of it is changed. It is no method to train with: it takes the records
themselves, and its sample rate and its divisor follow their number.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from radpriv.benchmark.cell import Budget
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.methods.classifier import masked_bce
from radpriv.benchmark.methods.fitted import LinearFitted
from radpriv.benchmark.methods.method import Method, methods
from radpriv.benchmark.privacy.accounting.ledger import Release
from radpriv.benchmark.privacy.bounded import ClippedSum
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.release import Place
from radpriv.benchmark.privacy.run import Run
from radpriv.benchmark.privacy.streams import uniforms


@methods.register("stock_opacus")
@dataclass(frozen=True)
class StockOpacus(Method):
    """A linear head on hashed words, trained by DP-SGD as Opacus ships it."""

    size: int = 64
    batch: int = 16
    steps: int = 6
    max_norm: float = 1.0
    lr: float = 0.5

    private = True
    uses_encoder = False

    def fit(
        self, train: PrivateRecords, encoder: Encoder | None, budget: Budget, run: Run
    ) -> LinearFitted:
        from opacus import PrivacyEngine

        words = HashedWords(self.size, 1, binary=True)
        raw = train.raw()
        features = raw.features(words)
        x = torch.from_numpy(np.array([features[int(s)] for s in raw.slots]))
        x, y = x.to(torch.get_default_dtype()), torch.from_numpy(raw.y)
        head = nn.Linear(self.size, len(train.labels))
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        data = DataLoader(TensorDataset(x, y), batch_size=self.batch)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of hooks, and of random numbers that are not used
            model, optimizer, loader = PrivacyEngine().make_private(
                module=head,
                optimizer=torch.optim.SGD(head.parameters(), lr=self.lr),
                data_loader=data,
                noise_multiplier=run.calibrate(1 / len(data), self.steps),
                max_grad_norm=self.max_norm,
            )
            for step in range(self.steps):
                rate = float(loader.sample_rate)
                optimizer.add_noise = _Handed(optimizer, run, step, rate)
                drawn = uniforms(run._key, ("coin", step), run._units)[raw.slots] < rate
                optimizer.zero_grad()
                losses = masked_bce(model(x[drawn]), y[drawn])
                losses.mean().backward()
                optimizer.step()
        weight = head.weight.detach().numpy().T
        return LinearFitted(train.labels, words, weight, head.bias.detach().numpy(), words.spec)


@dataclass(frozen=True)
class _Handed:
    """Stands in for `DPOptimizer.add_noise`: hands the clipped sum out, takes its noised value."""

    optimizer: Any
    run: Run
    step: int
    rate: float

    def __call__(self) -> None:
        params = self.optimizer.params
        value = ClippedSum(
            {str(i): p.summed_grad.detach().double() for i, p in enumerate(params)},
            float(self.optimizer.max_grad_norm),
        )
        sigma = float(self.optimizer.noise_multiplier)
        place = Place(self.step, "gradient", self.rate)
        noised = self.run._make(place, value, sigma)
        self.run._ledger.append(
            Release(self.step, "gradient", value.sensitivity, sigma, self.rate, noised.sha256)
        )
        for i, p in enumerate(params):
            p.grad = noised.tensors[str(i)].to(p.dtype).view_as(p)
