"""The shipped methods: what each declares, and that each learns what it should."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from radpriv.baselines.dp_bow import DPBagOfWords
from radpriv.baselines.dp_linear_probe import DPLinearProbe
from radpriv.baselines.dp_lora import DPLoRA, two_rate_adam
from radpriv.baselines.linear_probe import LinearProbe
from radpriv.baselines.lora import LoRA
from radpriv.baselines.prior import Prior
from radpriv.baselines.solvers.linear import LinearModel, logistic_regression
from radpriv.baselines.tfidf import TfIdf
from radpriv.benchmark.datasets.audit_set.universe import Universe
from radpriv.benchmark.datasets.base import Dataset
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.methods.method import Method, methods
from radpriv.benchmark.privacy.accounting import calibration
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.run import Run

SHIPPED: dict[str, Method] = {
    "dp_lora": DPLoRA(rank=2, top_layers=1, rate=0.5, steps=15, max_length=32),
    "lora": LoRA(rank=2, top_layers=1, batch=16, steps=60, max_length=32),
    "dp_linear_probe": DPLinearProbe(steps=30, max_length=32),
    "linear_probe": LinearProbe(max_length=32),
    "dp_bow": DPBagOfWords(size=64, ngrams=1, steps=40),
    "tfidf": TfIdf(size=4096),
    "prior": Prior(),
}
Fit = Callable[..., tuple[Any, Run, PrivateRecords, Universe]]


def test_shipped_methods_are_registered_private_or_not() -> None:
    """Every shipped method is registered and says whether it is private."""
    assert set(SHIPPED) <= set(methods.names())
    for name, method in SHIPPED.items():
        assert isinstance(method, methods.get(name))
        assert method.private == name.startswith("dp_")
        assert method.uses_encoder == (name not in ("dp_bow", "tfidf", "prior"))
        assert "report" in method.units and method.public == ()
        assert not method.private or "patient" in method.units
        assert (type(method).__doc__ or "").strip()


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_method_stays_in_the_waist_exactly_if_it_is_private(name: str, fit: Fit) -> None:
    method = SHIPPED[name]
    _, run, train, _ = fit(method)
    assert train.left_waist == (not method.private)
    steps = getattr(method, "steps", 0)
    assert len(run.releases) == (steps if method.private else 0)
    if method.private:
        assert 0.995 * 8 <= run.certificate()[0] <= 8
    assert not run.disclosed


@pytest.mark.parametrize("name", sorted(set(SHIPPED) - {"prior"}))
def test_method_learns_one_word_under_small_noise(
    name: str, fit: Fit, simple: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method learns what one word tells where noise is small."""
    monkeypatch.setattr(calibration, "calibrate", lambda *_: 0.01)
    fitted, *_ = fit(SHIPPED[name])
    logits = fitted.logits(simple.texts)
    assert (
        logits.shape == (len(simple), 2)
        and logits.dtype == np.float32
        and np.isfinite(logits).all()
    )
    seen = ~np.isnan(simple.y[:, 0])
    right = (logits[seen, 0] > 0) == (simple.y[seen, 0] > 0)
    assert right.mean() > 0.9
    assert (logits[:, 1] < 0).mean() > 0.9


def test_prior_is_the_smoothed_log_odds_of_members(fit: Fit) -> None:
    """The prior is the smoothed log-odds of the observed members."""
    fitted, _, _, universe = fit(Prior())
    y = universe.y[universe.member]
    expected = []
    for column in y.T:
        positive = sum(1 for v in column if v == 1)
        seen = sum(1 for v in column if v == v)
        expected.append(math.log((positive + 0.5) / (seen - positive + 0.5)))
    np.testing.assert_allclose(fitted.logits(["x", "y"]), [expected] * 2, rtol=1e-6)


def test_record_passes_count_steps_through_an_encoder() -> None:
    """Expected passes count what is stepped through an encoder."""
    assert DPLoRA(rate=0.1, steps=25).record_passes(2400) == pytest.approx(6000)
    assert LoRA(batch=32, steps=187).record_passes(10**6) == 32 * 187
    for name in ("dp_linear_probe", "linear_probe", "dp_bow", "tfidf", "prior"):
        assert SHIPPED[name].record_passes(2400) == 0


def test_limited_method_has_twenty_steps_at_most() -> None:
    """A limited method has at most twenty steps, and else the same parameters."""
    for method in SHIPPED.values():
        small = method.limited()
        assert getattr(small, "steps", 0) <= 20
        assert {**small.params(), "steps": 0} == {**method.params(), "steps": 0}
    assert DPLoRA(steps=7).limited().params()["steps"] == 7


def test_dp_lora_and_lora_start_from_one_initialisation(
    fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    import radpriv.baselines.dp_lora as dp_module
    import radpriv.baselines.lora as plain_module

    starts = []
    for module, method in ((dp_module, DPLoRA), (plain_module, LoRA)):
        build = module.build_classifier

        def keep(*args: Any, build: Any = build) -> Any:
            model, frozen = build(*args)
            starts.append({n: p.clone() for n, p in model.named_parameters() if "lora_A" in n})
            return model, frozen

        monkeypatch.setattr(module, "build_classifier", keep)
        fit(method(rank=2, top_layers=1, steps=1, max_length=32))  # type: ignore[call-arg]
    assert starts[0] and starts[0].keys() == starts[1].keys()
    assert all(torch.equal(starts[0][n], starts[1][n]) for n in starts[0])


def test_lora_in_one_autocast_region_steps_with_fresh_weights(
    fit: Fit, simple: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LoRA inside one autocast region steps with the weights as they are.

    Autocast keeps copies of the weights while its region is open; without copies none is old.
    """

    def fitted(copies: bool) -> np.ndarray:
        with torch.autocast("cpu", torch.bfloat16, cache_enabled=copies):
            plain, *_ = fit(LoRA(rank=2, top_layers=1, batch=8, steps=4, max_length=32))
        return np.asarray(plain.logits(simple.texts[:20]))

    fresh = fitted(copies=False)
    np.testing.assert_array_equal(fitted(copies=True), fresh)
    monkeypatch.setattr(torch, "clear_autocast_cache", lambda: None)
    assert not np.array_equal(fitted(copies=True), fresh)


def test_head_has_a_step_size_of_its_own(tiny_bert: Encoder) -> None:
    """The head has a step size of its own, and every trained tensor has one."""
    from radpriv.benchmark.methods.classifier import Lora, build_classifier

    model, _ = build_classifier(tiny_bert, 2, Lora(2, 2.0, 1, True), 32, torch.Generator())
    optimizer = two_rate_adam(model, 0.01, 0.05)
    rate = {id(p): g["lr"] for g in optimizer.param_groups for p in g["params"]}
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    assert {id(p) for p in trained.values()} == set(rate)
    assert {rate[id(p)] for n, p in trained.items() if "head" in n} == {0.05}
    assert {rate[id(p)] for n, p in trained.items() if "lora" in n} == {0.01}


def test_logistic_regression_skips_what_was_not_observed() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3))
    y = (x[:, :1] + 0.3 * rng.normal(size=(80, 1)) > 0).astype(np.float32)
    whole = logistic_regression(x[:60], y[:60], 1.0)
    hidden = y.copy()
    hidden[60:] = np.nan
    part = logistic_regression(x, hidden, 1.0)
    np.testing.assert_allclose(part[0], whole[0])
    np.testing.assert_allclose(part[1], whole[1])


def test_label_of_one_class_gets_its_smoothed_log_odds() -> None:
    x = np.eye(4)
    y = np.array([[0, 1, np.nan]] * 4, np.float32)
    weight, bias = logistic_regression(x, y, 1.0)
    assert not weight.any()
    np.testing.assert_allclose(bias, [math.log(0.5 / 4.5), math.log(4.5 / 0.5), 0.0])


def test_saved_weight_of_a_scaled_model_takes_raw_features() -> None:
    """The saved weight of a scaled linear model takes unscaled features."""
    model = LinearModel(4, 2, scale=0.25)
    with torch.no_grad():
        model.head.weight.normal_(generator=torch.Generator().manual_seed(0))
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    folded = x.numpy() @ (model.head.weight.detach().numpy().T * 0.25)
    np.testing.assert_allclose(model.head(x * 0.25).detach().numpy(), folded, atol=1e-6)


def test_tfidf_gives_a_word_that_no_member_uses_no_weight(fit: Fit) -> None:
    fitted, _, _, universe = fit(TfIdf(size=4096, ngrams=1))
    used = fitted.words.vectorizer.transform(
        [t for t, m in zip(universe.texts, universe.member) if m]
    )
    unused = np.setdiff1d(np.arange(4096), used.indices)
    assert len(unused) > 4000 and not fitted.weight[unused].any()
    np.testing.assert_array_equal(fitted.logits(["zyzzyvaquux"])[0], fitted.bias)
