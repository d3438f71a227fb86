"""Filling masks: an encoder that read a secret many times fills it in, and no other."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from radpriv.attacks.attack import attacks, make_attack
from radpriv.attacks.evaluation.candidates import merged
from radpriv.attacks.evaluation.extraction_summary import extraction_row
from radpriv.attacks.extraction import lm_head
from radpriv.attacks.extraction.fill_mask import FillMask, chosen, masked, truth_in
from radpriv.attacks.extraction.lm_head import Head, Recipe, head_of, of_checkpoint, public_texts
from radpriv.attacks.inputs.hidden_states import Hidden, encode_of
from radpriv.attacks.view import View
from radpriv.baselines.prior import PriorFitted
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.methods.classifier import Lora, build_classifier
from radpriv.benchmark.methods.fitted import LoraFitted
from radpriv.errors import AttackError

PHI = FillMask(what="phi")


@pytest.fixture(scope="module")
def read(speaker: Encoder, by_heart: Any) -> View:
    """The view of a model whose encoder read its members' masked numbers until it knew them."""
    model, on_top = speaker.model(), of_checkpoint(speaker)
    assert on_top is not None
    blank = Hidden(speaker, 48, model)
    view = by_heart.view
    texts = [view.texts[i] for i in np.flatnonzero(by_heart.member)[::3]]
    copies = [one for text in texts for one in masked(blank, text, PHI)]
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    longest = max(len(one.ids) for one in copies)
    ids = torch.zeros((len(copies), longest), dtype=torch.long)
    for row, one in enumerate(copies):
        ids[row, : len(one.ids)] = torch.tensor(one.ids)
    rows = torch.tensor([r for r, one in enumerate(copies) for _ in one.at])
    at = torch.tensor([i for one in copies for i in one.at])
    truth = torch.tensor([t for one in copies for t in one.truth])
    for _ in range(120):
        optimizer.zero_grad()
        hidden = model(input_ids=ids, attention_mask=(ids > 0).long()).last_hidden_state
        functional.cross_entropy(on_top(hidden[rows, at]), truth).backward()
        optimizer.step()
    return replace(view, encode=Hidden(speaker, 48, model.eval()))


def test_fill_mask_is_registered_with_its_needs_and_unit() -> None:
    """Fill-mask is registered and says what it needs and in which unit."""
    attack = make_attack("fill_mask", {})
    assert attacks.get("fill_mask") is FillMask and attack.needs == {"texts", "encode"}
    assert "bits" in FillMask.quantity and FillMask.chance == 0
    for wrong in ({"what": "all of it"}, {"measure": "loss"}, {"masks": 0}, {"candidates": 0}):
        with pytest.raises(AttackError, match="fill_mask:"):
            make_attack("fill_mask", wrong)


@pytest.mark.parametrize("measure", ["probability", "rank"])
def test_secrets_read_many_times_are_filled_in(read: View, by_heart: Any, measure: str) -> None:
    """Secrets that were read many times are filled in, and others are not."""
    found = FillMask(what="phi", measure=measure).score(read)
    row = extraction_row([(found[::3], by_heart.member[::3])])
    leaked = row.amounts
    assert leaked is not None and (row.members, row.non_members) == (12, 36)
    assert leaked.member_mean > leaked.non_member_mean + 0.5 and leaked.difference.low > 0.5
    assert leaked.auc > 0.85


def test_encoder_that_was_not_tuned_gains_nothing(read: View, speaker: Encoder) -> None:
    same = replace(read, encode=Hidden(speaker, 48, speaker.model().eval()))
    assert np.abs(PHI.score(same)).max() < 1e-4


def test_secrets_never_planted_gain_alike_whatever_their_coins(read: View, by_heart: Any) -> None:
    """The control that must find nothing: 36 canaries that no one read, split by fresh coins."""
    never = PHI.score(read)[~by_heart.member][::3]
    outside = 0
    for seed in range(20):
        coins = np.random.default_rng(seed).permutation(36) < 18
        found = extraction_row([(never, coins)]).amounts
        assert found is not None
        outside += not found.difference.low <= 0 <= found.difference.high
    assert outside <= 4  # of 20 intervals at 95%


def test_amount_is_the_gain_in_log2_one_mask_at_a_time(read: View, speaker: Encoder) -> None:
    """The amount is the gain in log2 of the truth, one mask at a time.

    Oracle: the checkpoint's whole masked-language model, one text at a time.
    """
    from transformers import AutoModelForMaskedLM

    whole = AutoModelForMaskedLM.from_pretrained(speaker.folder, dtype=torch.float32).eval()
    tokenizer, found = speaker.tokenizer, PHI.score(read)
    for row in (0, 5, 20):
        text = read.texts[row]  # type: ignore[index]
        ids = tokenizer(text)["input_ids"]
        digits = [i for i, t in enumerate(tokenizer.convert_ids_to_tokens(ids)) if t[-1].isdigit()]
        assert len(digits) == 2  # the accession number, in two pieces
        shown = torch.tensor([[tokenizer.mask_token_id if i in digits else t
                               for i, t in enumerate(ids)]])  # fmt: skip
        with torch.no_grad():
            before = whole(shown).logits[0].log_softmax(-1)
            hidden = read.encode.tuned(shown).last_hidden_state  # type: ignore[union-attr]
            after = whole.cls(hidden)[0].log_softmax(-1)
        gains = [float(after[i, ids[i]] - before[i, ids[i]]) / math.log(2) for i in digits]
        assert found[row] == pytest.approx(np.mean(gains), abs=1e-4)


def test_span_is_masked_whole_and_nothing_else_is(read: View, speaker: Encoder) -> None:
    text = "Stable cardiomegaly. Accession number 0123. MRN 98."
    copies = masked(read.encode, text, PHI)  # type: ignore[arg-type]
    tokens = [speaker.tokenizer.convert_ids_to_tokens(c.ids) for c in copies]
    assert [t.count("[MASK]") for t in tokens] == [4, 2]
    assert "##1" not in tokens[0] and "9" in tokens[0] and "##1" in tokens[1]
    behind = [speaker.tokenizer.convert_ids_to_tokens(c.truth) for c in copies]
    assert behind == [["0", "##1", "##2", "##3"], ["9", "##8"]]
    assert len(masked(read.encode, text, replace(PHI, masks=1))) == 1  # type: ignore[arg-type]


def test_words_beyond_the_length_are_not_asked(speaker: Encoder) -> None:
    """What the model does not read is not asked."""
    short = Hidden(speaker, 8, None)
    text = "Clear lungs. " * 10 + "Accession number 01."
    assert masked(short, text, PHI) == []
    assert masked(Hidden(speaker, 64, None), text, PHI) != []
    cut = "Clear lungs. Accession number 0123456789."  # [CLS], 3, 2 tokens and 10 digits
    assert masked(Hidden(speaker, 12, None), cut, PHI) == []
    assert len(masked(Hidden(speaker, 18, None), cut, PHI)) == 1


def test_ranks_count_from_one_and_ties_lie_in_the_middle() -> None:
    log2 = np.log2(np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2]], np.float32))
    np.testing.assert_allclose(
        truth_in(log2, np.array([1, 0]), "probability"), log2[[0, 1], [1, 0]]
    )
    np.testing.assert_allclose(
        truth_in(log2, np.array([1, 0]), "rank"), [-1.0, -math.log2(1.5)], atol=1e-6
    )


def test_public_rule_chooses_whole_patients_in_any_order(read: View) -> None:
    """A public rule chooses whole patients of each kind in any order."""
    rows = chosen(read, 10)
    assert len(rows) == 30 and len({read.patient[r] for r in rows}) == 10
    found = replace(PHI, candidates=10).score(read)
    assert np.isfinite(found).sum() == 30 and np.isfinite(found[rows]).all()
    order = np.random.default_rng(0).permutation(len(read))
    mixed = replace(PHI, candidates=10).score(read.only(order))
    np.testing.assert_allclose(mixed, found[order], atol=1e-4)


def test_patients_amount_is_over_the_reports_that_were_asked(read: View) -> None:
    """A patient's amount is over those of its reports that were asked.

    Three copies a patient; of every other one report names nobody, of the third patient none.
    """
    texts = list(read.texts)  # type: ignore[arg-type]
    for patient in range(0, 48, 2):
        texts[3 * patient + patient % 3] = "clear lungs ."
    texts[6:9] = ["clear lungs ."] * 3
    view = replace(read, texts=tuple(texts))
    found = PHI.score(view)
    assert np.isnan(found).sum() == 24 + 2
    member = np.arange(len(view)) // 3 % 4 == 0
    outputs: Any = SimpleNamespace(
        slots=view.slots, patient=view.patient, member=member, similarity=view.similarity
    )
    part = merged(outputs, found, np.arange(len(view)))
    assert len(part.scores) == 48 and np.flatnonzero(np.isnan(part.scores)).tolist() == [2]
    for patient, amount in enumerate(part.scores):
        own = [float(found[i]) for i in range(3 * patient, 3 * patient + 3)]
        asked = [bits for bits in own if not math.isnan(bits)]
        if asked:
            assert amount == pytest.approx(sum(asked) / len(asked), rel=1e-12)
    row = extraction_row([(part.scores, part.member)])
    assert (row.asked, row.left_out) == (47, 1)


def test_texts_without_anything_to_mask_are_not_asked(read: View) -> None:
    texts = ("clear lungs .", *read.texts[1:])  # type: ignore[index]
    found = PHI.score(replace(read, texts=texts))
    assert np.isnan(found[0]) and np.isfinite(found[1:]).all()
    with pytest.raises(AttackError, match="anything to mask"):
        PHI.score(replace(read, texts=("clear lungs .",) * len(read)))


def test_missing_texts_or_tuned_encoder_are_named(read: View) -> None:
    """Without texts or a tuned encoder the attack says what is missing."""
    for broken in (replace(read, texts=None), replace(read, encode=None)):
        with pytest.raises(AttackError, match="needs the texts, and a model that tuned"):
            PHI.score(broken)


def test_head_of_the_checkpoint_is_used_and_told(
    read: View, speaker: Encoder, reader: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head is the checkpoint's where it has one, and the result says so."""
    assert head_of(speaker).origin == "the checkpoint's" and of_checkpoint(reader) is None
    assert PHI.remarks(read) == {"head": "the checkpoint's"}
    assert PHI.diagnostics(read) == {"head of the checkpoint": 1.0}
    without = replace(read, encode=Hidden(reader, 48, None))
    monkeypatch.setattr(FillMask, "_head", lambda self, view: Head("trained on …", None))  # type: ignore[arg-type]
    assert PHI.diagnostics(without) == {"head of the checkpoint": 0.0}


def test_head_is_trained_once_on_public_text(reader: Encoder, cache: Any) -> None:
    """A head is trained on public text once, and is the same again."""
    recipe = Recipe(texts=30, max_length=48, epochs=3)
    found = head_of(reader, recipe)
    assert "synthetic-plain" in found.origin and "30" in found.origin
    head_of.cache_clear()
    again = head_of(reader, recipe)  # from the disk
    hidden = np.random.default_rng(0).standard_normal((5, reader.hidden_size)).astype(np.float32)
    np.testing.assert_array_equal(found.log2(hidden), again.log2(hidden))
    assert len(list((cache / "heads").iterdir())) == 1
    np.testing.assert_allclose(np.exp2(found.log2(hidden)).sum(axis=1), 1, rtol=1e-4)


def test_trained_head_reads_what_stands_around_the_mask(reader: Encoder) -> None:
    """On reports it was not trained on, it beats the frequency of words by half a bit each."""
    recipe, more = (Recipe(texts=n, max_length=48, epochs=8) for n in (250, 350))
    found = Head("", lm_head.trained(reader, recipe))
    seen = lm_head.examples(reader, recipe)[1].numpy()
    hidden, truth = (part.numpy()[seen.size :] for part in lm_head.examples(reader, more))
    counts = np.bincount(seen, minlength=len(reader.tokenizer.get_vocab())) + lm_head.SMOOTHING
    frequency = np.log2(counts / counts.sum())[truth].mean()
    assert found.log2(hidden)[np.arange(truth.size), truth].mean() > frequency + 0.5


def test_public_text_is_nobodys_and_always_the_same(reader: Encoder) -> None:
    """Public text has nobody's particulars and is always the same."""
    texts = list(public_texts(reader.tokenizer, 5))
    assert texts == list(public_texts(reader.tokenizer, 5)) and len(set(texts)) == 5
    assert all(t.startswith("Name: ") and "MRN " in t and "Accession number " in t for t in texts)


def test_hidden_states_are_the_classifiers_own(reader: Encoder, reports: list[str]) -> None:
    """Hidden states are those of the classifier, before and after tuning.

    Oracle: the classifier's own path, from the layers below on, and a fresh encoder.
    """
    generator = torch.Generator().manual_seed(0)
    model, frozen = build_classifier(reader, 3, Lora(2, 4.0, 1, False), 48, generator)
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.add_(0.3 * torch.randn(p.shape, generator=generator))
    encode = encode_of(LoraFitted(tuple("abc"), model, frozen))
    assert encode is not None and encode.max_length == 48
    ids = [reader.tokens(text, 48) for text in reports[:20]]
    after, before = encode(ids), encode(ids, untuned=True)
    base, fresh = model.base_model.model, reader.model().eval()
    for i, one in enumerate(ids):
        values = torch.from_numpy(np.array(frozen(reports[i])))[None]
        with torch.no_grad():
            own = base.hidden(values, torch.ones(1, len(one), dtype=torch.bool))[0].numpy()
            plain = fresh(input_ids=torch.tensor([one])).last_hidden_state[0].numpy()
        assert after[i].shape == (len(one), reader.hidden_size)
        np.testing.assert_allclose(after[i], own, atol=1e-5)
        np.testing.assert_allclose(before[i], plain, atol=1e-5)
    assert max(np.abs(a - b).max() for a, b in zip(after, before)) > 0.01


def test_model_without_a_tuned_encoder_has_no_hidden_states() -> None:
    """A model that tuned no encoder has no hidden states of its own."""
    assert encode_of(PriorFitted(("a", "b"), np.zeros(2))) is None
