"""LoRA without privacy: the same model as `dp_lora`, shuffled batches, no clip and no noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from radpriv.baselines.dp_lora import two_rate_adam
from radpriv.benchmark.cell import Budget
from radpriv.benchmark.encoders.encoders import Encoder, required
from radpriv.benchmark.methods.check_trainable import check_trainable
from radpriv.benchmark.methods.classifier import Lora, build_classifier
from radpriv.benchmark.methods.fitted import LoraFitted
from radpriv.benchmark.methods.method import Method, methods
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.run import Run


@methods.register("lora")
@dataclass(frozen=True)
class LoRA(Method):
    """batch, steps: records per step and their number; epochs are shuffled by a public stream.

    Defaults chosen on a part of Open-i's training split, which `dp_lora` never saw.
    """

    rank: int = 8
    alpha: float = 16.0
    top_layers: int = 2
    max_length: int = 128
    batch: int = 48
    steps: int = 300
    lr: float = 2e-3
    head_lr: float = 1e-2
    targets: str = "query_value"

    private = False

    def __post_init__(self) -> None:
        self.adapter()

    def adapter(self) -> Lora:
        """EncoderError for targets that are not known, before anything is run."""
        return Lora(self.rank, self.alpha, self.top_layers, freeze_a=False, targets=self.targets)

    def check_encoder(self, encoder: Encoder) -> None:
        kind = replace(self.adapter(), rank=1, alpha=1.0)  # whatever its size
        check_trainable(encoder, kind, self.max_length, private=self.private)

    def fit(
        self, train: PrivateRecords, encoder: Encoder | None, budget: Budget, run: Run
    ) -> LoraFitted:
        encoder = required(encoder)
        raw = train.raw()
        model, frozen = build_classifier(
            encoder, len(train.labels), self.adapter(), self.max_length, run.rng("init")
        )
        model.to(run.device)
        features = raw.features(frozen)
        optimizer = two_rate_adam(model, self.lr, self.head_lr)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1.0 - t / self.steps)
        generator = run.rng("batches")
        order: list[int] = []
        for _ in range(self.steps):
            while len(order) < self.batch:
                order += torch.randperm(len(raw.slots), generator=generator).tolist()
            chosen, order = order[: self.batch], order[self.batch :]
            records = raw.records(features, raw.slots[np.sort(chosen)], run.device)
            optimizer.zero_grad(set_to_none=True)
            for part in records.micro_batches(4096):
                (model.losses(part).sum() / records.size).backward()
            optimizer.step()
            schedule.step()
            run.report_progress(len(chosen))
        return LoraFitted(train.labels, model, frozen)

    def record_passes(self, n_public: int) -> float:
        return float(self.batch * self.steps)
