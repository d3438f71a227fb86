"""A language-model head for an encoder: the checkpoint's own, or one trained on public text.

    head = head_of(encoder)
    head.origin                            # "the checkpoint's" or what it was trained on
    head.log2(hidden)                      # float32 (n, V) from hidden states (n, H)

An encoder that was published without its head (MiniLM) gets one with BERT's layout: a dense map, a
layer norm and the input embeddings as decoder. It is trained on reports of `synthetic-plain`, under
a line of made-up particulars so that names and numbers are among what it can say, with the encoder
frozen as it came. All of it is public, from a fixed seed, and kept in RADPRIV_CACHE.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from radpriv.attacks.inputs.hidden_states import states
from radpriv.attacks.public_random import public_words
from radpriv.benchmark.cell import digest
from radpriv.benchmark.datasets.synthetic.plain.synthetic_plain import SyntheticPlain
from radpriv.benchmark.encoders.encoders import Encoder
from radpriv.benchmark.store.caches import cache_folder, make_private

Matrix = NDArray[np.float32]
VERSION = 1
ROWS = 1024
"""Hidden states per product with the vocabulary."""
OWN = "the checkpoint's"
SMOOTHING = 0.1
"""Added to each token's count."""


@dataclass(frozen=True)
class Recipe:
    """texts: reports.  share: of tokens that are masked.  epochs, batch, lr: of Adam."""

    texts: int = 600
    max_length: int = 128
    share: float = 0.15
    epochs: int = 6
    batch: int = 64
    lr: float = 2e-3


@dataclass(frozen=True)
class Head:
    """origin: where it is from, in words.  module: hidden states (n, H) -> logits (n, V)."""

    origin: str
    module: nn.Module = field(repr=False)

    def log2(self, hidden: Matrix) -> Matrix:
        """log2 P(token), float32 (n, V)."""
        found = []
        with torch.inference_mode():
            for start in range(0, len(hidden), ROWS):
                logits = self.module(torch.from_numpy(hidden[start : start + ROWS]))
                found.append((logits.log_softmax(-1) / np.log(2)).numpy())
        return np.concatenate(found)


class Tied(nn.Module):
    """Dense, GELU, layer norm, and the input embeddings as decoder (Devlin et al. 2018)."""

    embedding: Tensor

    def __init__(self, embedding: Tensor, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        vocabulary, size = embedding.shape
        self.register_buffer("embedding", embedding.detach().clone(), persistent=False)
        self.dense = nn.Linear(hidden, size)
        with torch.no_grad():
            drawn = torch.randn(self.dense.weight.shape, generator=generator)
            self.dense.weight.copy_(0.02 * drawn)
            self.dense.bias.zero_()
        self.norm = nn.LayerNorm(size)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, hidden: Tensor) -> Tensor:
        shaped = self.norm(functional.gelu(self.dense(hidden)))
        return shaped @ self.embedding.T + self.bias


@lru_cache(maxsize=4)
def head_of(encoder: Encoder, recipe: Recipe = Recipe()) -> Head:
    """The checkpoint's head where it has a whole one, otherwise a trained one, from the cache."""
    module = of_checkpoint(encoder)
    if module is not None:
        return Head(OWN, module)
    recipe_words = f"trained on {recipe.texts} reports of synthetic-plain with made-up particulars"
    return Head(recipe_words, _kept(encoder, recipe))


def of_checkpoint(encoder: Encoder) -> nn.Module | None:
    """The head in the checkpoint's files; None if a tensor of it is missing there."""
    from transformers import AutoModelForMaskedLM
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        model, info = AutoModelForMaskedLM.from_pretrained(
            encoder.folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
    except ValueError:
        return None  # no such head is known for this kind of model
    finally:
        logging.set_verbosity(level)
    for name in ("cls", "predictions", "lm_head"):
        if (module := getattr(model, name, None)) is not None:
            absent = [key for key in info["missing_keys"] if key.startswith(f"{name}.")]
            return None if absent else module.eval()
    return None


def trained(encoder: Encoder, recipe: Recipe) -> Tied:
    """A head fitted to fill masked tokens of public text; the encoder stays as it came."""
    hidden, truth = examples(encoder, recipe)
    model = encoder.model()
    generator = torch.Generator().manual_seed(VERSION)
    embedding = model.get_input_embeddings().weight  # type: ignore[operator]
    module = Tied(embedding, encoder.hidden_size, generator)
    with torch.no_grad():  # starts as the frequency of words, of which it has seen few
        counts = torch.bincount(truth, minlength=len(embedding)) + SMOOTHING
        module.bias.copy_((counts / counts.sum()).log())
    optimizer = torch.optim.Adam(module.parameters(), lr=recipe.lr)
    steps = recipe.epochs * -(-len(truth) // recipe.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1.0 - t / steps)
    for _ in range(recipe.epochs):
        for rows in torch.randperm(len(truth), generator=generator).split(recipe.batch):
            optimizer.zero_grad()
            functional.cross_entropy(module(hidden[rows]), truth[rows]).backward()
            optimizer.step()
            schedule.step()
    return module.eval().requires_grad_(False)


def _kept(encoder: Encoder, recipe: Recipe) -> Tied:
    """`trained`, from the cache where it was made before."""
    folder = make_private(cache_folder() / "heads")
    path = folder / f"{digest([VERSION, encoder.sha256, vars(recipe)])[:32]}.safetensors"
    if path.is_file():
        model = encoder.model()
        embedding = model.get_input_embeddings().weight  # type: ignore[operator]
        module = Tied(embedding, encoder.hidden_size, torch.Generator())
        module.load_state_dict(load_file(path))
        return module.eval().requires_grad_(False)
    module = trained(encoder, recipe)
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
    os.close(handle)
    save_file(module.state_dict(), temporary)
    Path(temporary).replace(path)
    return module


def examples(encoder: Encoder, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Hidden states (n, H) at masked positions of public text, and the tokens (n,) behind them."""
    mask, special = encoder.tokenizer.mask_token_id, set(encoder.tokenizer.all_special_ids)
    length = min(recipe.max_length, encoder.positions)
    masked, places, truth = [], [], []
    for number, text in enumerate(public_texts(encoder.tokenizer, recipe.texts)):
        ids = encoder.tokens(text, length)
        coins = public_words(len(ids), "fill_mask", "mask", number) >> np.uint64(11)
        at = [
            i
            for i, coin in enumerate(coins.tolist())
            if coin * 2.0**-53 < recipe.share and ids[i] not in special
        ]
        masked.append([mask if i in set(at) else token for i, token in enumerate(ids)])
        places.append(at)
        truth += [ids[i] for i in at]
    model = encoder.model().eval()
    shown = [h[at] for h, at in zip(states(model, masked), places, strict=True)]
    return torch.from_numpy(np.concatenate(shown)), torch.tensor(truth)


def public_texts(tokenizer: Any, count: int) -> Iterator[str]:
    """Reports of `synthetic-plain`, each under a line of made-up particulars.

    Names are any two words of the vocabulary, numbers and dates any digits: nobody's.
    """
    words = _words(tokenizer)
    for number, text in enumerate(SyntheticPlain(reports=count).load(None).texts):
        drawn = public_words(6, "fill_mask", "particulars", number).tolist()
        first, last = (words[w % len(words)].capitalize() for w in drawn[:2])
        day = f"{drawn[2] % 12 + 1:02d}/{drawn[3] % 28 + 1:02d}/{1930 + drawn[3] % 97}"
        yield (
            f"Name: {first} {last}. MRN {drawn[4] % 10**8:08d}. Exam date: {day}. Accession "
            f"number {drawn[5] % 10**6:06d}. {text}"
        )


def _words(tokenizer: Any) -> Sequence[str]:
    """Whole words of letters in the vocabulary, in order; "no" and "one" if there is none."""
    plain = sorted(w for w in tokenizer.get_vocab() if w.isascii() and w.isalpha() and len(w) > 2)
    return plain or ("no", "one")
