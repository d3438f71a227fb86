"""The stand-in for a card refuses what CUDA refuses, and computes what the CPU computes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from .elsewhere import elsewhere


@pytest.fixture
def there() -> Iterator[torch.device]:
    with elsewhere() as device:
        yield device


def test_tensors_of_two_devices_do_not_meet(there: torch.device) -> None:
    a, b = torch.arange(3.0), torch.arange(3.0).to(there)
    for mixed in (lambda: a + b, lambda: b.mul_(a), lambda: torch.stack([a, b]), lambda: a[b > 1]):
        with pytest.raises(RuntimeError, match="on the same device"):
            mixed()
    for put in (a, a[:2]):
        with pytest.raises(RuntimeError, match="on the same device"):
            b[torch.arange(len(put))] = put
    with pytest.raises(RuntimeError, match="not supported"):
        b.numpy()
    assert (b + torch.tensor(1.0)).device == b[torch.tensor([0, 2])].device == there


def test_it_computes_and_differentiates_as_the_cpu_does(there: torch.device) -> None:
    found = []
    for device in (torch.device("cpu"), there):
        torch.manual_seed(1)
        model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.LayerNorm(3), torch.nn.Tanh())
        weight = model[0].weight
        x = torch.randn(5, 4).to(device)
        model.to(device)
        assert model[0].weight is weight  # as a module that goes to a card keeps its parameters
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
        assert {p.device.type for p in model.parameters()} == {device.type}
        found.append([p.detach().cpu() for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_a_view_shares_its_numbers(there: torch.device) -> None:
    a = torch.zeros(2, 2, device=there)
    a.view(4)[3] = 7.0
    a.t()[1].add_(1.0)
    assert a.tolist() == [[0.0, 1.0], [0.0, 8.0]]


def test_autocast_lowers_products_and_keeps_norms(there: torch.device) -> None:
    x, layer = torch.randn(2, 4).to(there), torch.nn.Linear(4, 4).to(there)
    norm = torch.nn.LayerNorm(4).to(there)

    def dtypes() -> list[torch.dtype]:
        y: Tensor = layer(x)
        return [y.dtype, norm(y).dtype, layer(x.double().float()).dtype]

    assert dtypes() == [torch.float32] * 3
    with torch.autocast(there.type, dtype=torch.bfloat16):
        assert dtypes() == [torch.bfloat16, torch.float32, torch.bfloat16]
