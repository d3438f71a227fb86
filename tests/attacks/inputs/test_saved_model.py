"""The saved model: asked for any text, before and after tuning, and its hidden states."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from radpriv.attacks.attack import NEEDS
from radpriv.attacks.inputs.build_view import NotApplicable
from radpriv.attacks.inputs.cell_outputs import Outputs
from radpriv.benchmark.methods.fitted import LoraFitted
from radpriv.benchmark.suites.job import Job
from radpriv.errors import AttackError

from .attacked_store import World, damaged


class ByHand:
    """A saved model taken apart: the trained head on the tuned encoder or on a fresh one."""

    def __init__(self, outputs: Outputs, job: Job) -> None:
        assert job.encoder is not None
        fitted = LoraFitted.load(outputs.cell.folder / "model", job.encoder)
        self.classifier = fitted.model.base_model.model
        self.encoders = {True: self.classifier.encoder.eval(), False: job.encoder.model().eval()}
        self.tokens = job.encoder.tokens

    def __call__(self, texts: tuple[str, ...], adapters: bool) -> np.ndarray:
        """Text by text."""
        head, rows = self.classifier.head.modules_to_save["default"], []
        with torch.inference_mode():
            for text in texts:
                ids = torch.tensor([self.tokens(text, 32)])
                hidden = self.encoders[adapters](input_ids=ids).last_hidden_state[0].mean(0)
                pooled = torch.nn.functional.layer_norm(hidden, hidden.shape)
                rows.append((head.weight @ (pooled - self.classifier.center) + head.bias).numpy())
        return np.array(rows)


@pytest.mark.parametrize("method", ["lora", "dp_lora"])
def test_untuned_is_the_trained_head_on_the_encoder_as_it_came(world: World, method: str) -> None:
    outputs, found = world.outputs(method), world.sources()
    by_hand = ByHand(outputs, world.job(method))
    own, others = found.untuned(outputs)
    texts, of_others = found.texts(outputs)
    np.testing.assert_allclose(own, by_hand(texts, adapters=False), atol=1e-4)
    np.testing.assert_allclose(others, by_hand(of_others, adapters=False), atol=1e-4)
    np.testing.assert_allclose(found.query(outputs)(texts, untuned=True), own, atol=1e-4)
    tuned = by_hand(texts, adapters=True)
    np.testing.assert_allclose(tuned, outputs.logits, atol=1e-4)
    assert np.abs(own - tuned).max() > 1e-2  # the adapters had something to say
    assert np.abs(own).max() > 1e-2  # and so has the head, which PEFT's own switch would lose
    np.testing.assert_allclose(found.query(outputs)(texts), outputs.logits, atol=1e-4)


def test_many_texts_of_any_length_are_answered_in_their_order(world: World) -> None:
    outputs, found = world.outputs("lora"), world.sources()
    texts = list(found.texts(outputs)[1])
    texts = [t[: 10 + 37 * i % len(t)] for i, t in enumerate([*texts, *texts])] + ["", "the"]
    fitted = LoraFitted.load(outputs.cell.folder / "model", world.job("lora").encoder)
    assert len(texts) > 40
    np.testing.assert_allclose(found.query(outputs)(texts), fitted.logits(texts), atol=2e-5)
    before = found.untuned(outputs)[0].copy()
    found.query(outputs)(texts, untuned=True)
    np.testing.assert_array_equal(world.sources().untuned(outputs)[0], before)
    np.testing.assert_allclose(
        found.query(outputs)(found.texts(outputs)[0], untuned=True), before, atol=2e-5
    )


def test_what_does_not_apply_to_a_method_is_said_in_one_line(world: World) -> None:
    found = world.sources()
    for method in ("linear_probe", "tfidf", "prior"):
        outputs = world.outputs(method)
        for need, ask in (("untuned", found.untuned), ("encode", found.encode)):
            reason = found.available(need, outputs)
            assert "no encoder" in reason and "\n" not in reason
            with pytest.raises(NotApplicable, match="no encoder"):
                ask(outputs)
        for need in ("texts", "features", "query", "secrets"):
            assert found.available(need, outputs) == ""
    for method in ("tfidf", "lora", "linear_probe"):
        reason = found.available("projections", world.outputs(method))
        assert "released nothing" in reason
    assert all(found.available(need, world.outputs("dp_lora")) == "" for need in NEEDS)
    with pytest.raises(AttackError, match="'text': one of"):
        found.available("text", world.outputs("prior"))


def test_hidden_states_are_those_of_the_tuned_encoder(world: World) -> None:
    outputs = world.outputs("lora")
    encode = world.sources().encode(outputs)
    ids = [encode.encoder.tokens("the heart is normal", encode.max_length)]
    assert encode(ids)[0].shape == (len(ids[0]), 16)
    assert np.abs(encode(ids)[0] - encode(ids, untuned=True)[0]).max() > 1e-3


def test_a_saved_model_that_is_damaged_is_one_sentence(world: World, tmp_path: Path) -> None:
    outputs = damaged(world, tmp_path, "dp_lora")
    (outputs.cell.folder / "model" / "adapter_model.safetensors").write_bytes(b"no")
    query = world.sources().query(outputs)
    with pytest.raises(AttackError, match=r"model cannot be asked: .*cannot be read"):
        query(["the heart"])


def test_a_plugin_whose_model_class_is_not_named_cannot_be_asked(world: World) -> None:
    outputs, job = world.outputs("prior"), world.job("prior")

    class Unnamed(type(job.method)):  # type: ignore[misc]
        def fit(self, train, encoder, budget, run): ...  # type: ignore[no-untyped-def]

    found = world.sources(jobs={outputs.cell.record.cell_id: replace(job, method=Unnamed())})
    assert "name it as what its fit() returns" in found.available("query", outputs)
