"""Per-record gradients of layers for which Opacus has a rule that fails."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional


def add_rules() -> None:
    """Teach Opacus a layer norm without bias (ModernBERT); one with a bias keeps Opacus' rule."""
    from opacus.grad_sample.grad_sample_module import GradSampleModule

    rules: dict[Any, Any] = GradSampleModule.GRAD_SAMPLERS
    theirs = rules[nn.LayerNorm]
    if getattr(theirs, "takes_no_bias", False):
        return

    def rule(
        layer: nn.LayerNorm, activations: list[Tensor], backprops: Tensor
    ) -> dict[nn.Parameter, Tensor]:
        if layer.bias is not None:
            found: dict[nn.Parameter, Tensor] = theirs(layer, activations, backprops)
            return found
        normed = functional.layer_norm(activations[0], layer.normalized_shape, eps=layer.eps)
        between = tuple(range(1, backprops.ndim - layer.weight.ndim))
        each = normed * backprops
        return {layer.weight: each.sum(between) if between else each}

    rule.takes_no_bias = True  # type: ignore[attr-defined]
    rules[nn.LayerNorm] = rule
