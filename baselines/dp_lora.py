"""DP-LoRA: LoRA on the top layers and a linear head, trained by DP-Adam through the waist.

LoRA: Hu et al. 2021 (2106.09685). DP-SGD: Abadi et al. 2016 (1607.00133). Frozen A (FFA-LoRA,
Sun et al. 2024, 2403.12313) removes the product of two noises. The layers below the first adapter
are a public function of one record and are evaluated once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from radpriv.benchmark.cell import Budget
from radpriv.benchmark.encoders.encoders import Encoder, required
from radpriv.benchmark.methods.check_trainable import check_trainable
from radpriv.benchmark.methods.classifier import Lora, build_classifier
from radpriv.benchmark.methods.fitted import LoraFitted
from radpriv.benchmark.methods.method import Method, methods
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.release import apply
from radpriv.benchmark.privacy.run import Run


@methods.register("dp_lora")
@dataclass(frozen=True)
class DPLoRA(Method):
    """Step sizes chosen on `synthetic-plain`. alpha / rank also sets the adapter's share of the
    clip: a small one leaves most of the norm to the head, whose gradients carry more signal.

    targets: linear maps with an adapter, "query_value" or "all_linear".
    """

    rank: int = 8
    alpha: float = 2.0
    top_layers: int = 1
    freeze_a: bool = True
    max_length: int = 128
    rate: float = 0.15
    steps: int = 100
    max_norm: float = 1.0
    lr: float = 0.02
    head_lr: float = 0.05
    targets: str = "query_value"

    private = True
    units = frozenset({"report", "patient"})

    def __post_init__(self) -> None:
        self.adapter()

    def adapter(self) -> Lora:
        """EncoderError for targets that are not known, before anything is run."""
        return Lora(self.rank, self.alpha, self.top_layers, self.freeze_a, self.targets)

    def check_encoder(self, encoder: Encoder) -> None:
        kind = replace(self.adapter(), rank=1, alpha=1.0)  # whatever its size
        check_trainable(encoder, kind, self.max_length, private=self.private)

    def fit(
        self, train: PrivateRecords, encoder: Encoder | None, budget: Budget, run: Run
    ) -> LoraFitted:
        encoder = required(encoder)
        model, frozen = build_classifier(
            encoder, len(train.labels), self.adapter(), self.max_length, run.rng("init")
        )
        model.to(run.device)
        records = train.map("frozen", frozen)
        sigma = run.calibrate(self.rate, self.steps)
        optimizer = two_rate_adam(model, self.lr, self.head_lr)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1.0 - t / self.steps)
        for step in run.poisson(records, self.rate, self.steps, state=(model, optimizer, schedule)):
            total = clipped_sum(model, step.records, self.max_norm)
            update = step.gaussian("gradient", total, sigma)
            apply(model, optimizer, update / step.expected_batch)
            schedule.step()
        return LoraFitted(train.labels, model, frozen)


def two_rate_adam(model: torch.nn.Module, lr: float, head_lr: float) -> torch.optim.Adam:
    """Adam without weight decay; the head, which starts from zero, has a step size of its own."""
    trained = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    return torch.optim.Adam(
        [
            {"params": [p for n, p in trained if ".head." not in f".{n}"], "lr": lr},
            {"params": [p for n, p in trained if ".head." in f".{n}"], "lr": head_lr},
        ]
    )
