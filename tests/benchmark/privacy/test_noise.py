"""The noise that is released, as a distribution and as streams; what breaks it is told apart.

Everything is seeded, so a test either always passes or always fails. The thresholds are those that
a sound source would cross with probability below 1e-5 for each test as a whole.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from radpriv.benchmark.cell import canonical
from radpriv.benchmark.encoders.hashed_words import HashedWords
from radpriv.benchmark.privacy import release, streams
from radpriv.benchmark.privacy.accounting.ledger import Ledger
from radpriv.benchmark.privacy.clipping import clipped_sum
from radpriv.benchmark.privacy.records import PrivateRecords
from radpriv.benchmark.privacy.streams import gaussians, keystream

Floats = NDArray[np.float64]
Source = Callable[[bytes, tuple[str | int, ...], int], Floats]
SIGMA, CLIP = 1.5, 0.4
LIMIT = 8.3
"""No normal value is larger: the inverse of the distribution at the middle of the last cell."""


# The words of a stream, against the standards.


def rotate(x: int, by: int) -> int:
    return ((x << by) | (x >> (32 - by))) & 0xFFFFFFFF


def chacha20_block(key: bytes, counter: int, nonce: bytes = bytes(12)) -> bytes:
    """RFC 8439, section 2.3, written out."""
    start = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574]
    start += [int.from_bytes(key[i : i + 4], "little") for i in range(0, 32, 4)]
    start += [counter, *(int.from_bytes(nonce[i : i + 4], "little") for i in (0, 4, 8))]
    s = list(start)
    columns = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)]
    diagonals = [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
    for a, b, c, d in 10 * (columns + diagonals):
        for x, y, z, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & 0xFFFFFFFF
            s[z] = rotate(s[z] ^ s[x], by)
    return b"".join(((x + y) & 0xFFFFFFFF).to_bytes(4, "little") for x, y in zip(s, start))


def hkdf(key: bytes, info: bytes) -> bytes:
    """RFC 5869 with SHA-256, no salt, 32 bytes."""
    pseudorandom = hmac.new(bytes(32), key, hashlib.sha256).digest()
    return hmac.new(pseudorandom, info + b"\x01", hashlib.sha256).digest()


def test_the_block_function_of_this_test_is_that_of_the_standard() -> None:
    """RFC 8439, section 2.3.2."""
    nonce = bytes.fromhex("000000090000004a00000000")
    block = chacha20_block(bytes(range(32)), 1, nonce)
    assert block.hex().startswith("10f1e7e4d13b5915500fdd1fa32071c4")
    assert block.hex().endswith("a2503c4e")


@pytest.mark.parametrize("path", [("noise", 0, "gradient", "head.weight"), ("coin", 7)])
def test_words_of_a_stream_are_chacha20_under_a_key_of_its_path(
    path: tuple[str | int, ...],
) -> None:
    for key in (b"k" * 32, bytes(range(32))):
        own = hkdf(key, b"radpriv/stream/1/" + canonical(list(path)).encode())
        expected = b"".join(chacha20_block(own, i) for i in range(5))
        assert keystream(key, path, 37).tobytes() == expected[: 37 * 8]


def test_normal_values_are_the_inverse_at_the_cell_middles() -> None:
    """Normal values are the inverse at the middle of each cell."""
    path = ("noise", 3, "g", "w")
    cells = [int(w) >> 11 for w in keystream(b"k" * 32, path, 2000)]
    exact = [NormalDist().inv_cdf((c + 0.5) / 2**53) for c in cells]
    np.testing.assert_allclose(gaussians(b"k" * 32, path, 2000), exact, rtol=1e-9, atol=1e-12)


# What a method gets: run.poisson and step.gaussian, with nothing moved in between.


class TwoHeads(nn.Module):
    """Two trained tensors of one shape, so that their noise could be confused."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = (nn.Linear(256, 3, bias=False) for _ in range(2))

    def losses(self, records: Any) -> Tensor:
        x, _ = records.inputs()
        return self.a(x.float()).square().mean(1) + self.b(x.float()).square().mean(1)


Noises = dict[tuple[int, int, str, str], Floats]
"""Standardised noise (key, step, name, tensor) -> flat values."""


@pytest.fixture
def released(make_run: Any, train: PrivateRecords) -> Callable[..., Noises]:
    """(noised − exact) / (σ · clip) of every release. rate: nearly 0 gives empty batches."""

    def collect(
        model: nn.Module,
        function: Any,
        *,
        rate: float = 1e-9,
        steps: int = 4,
        keys: tuple[bytes, ...] = (b"a" * 32, b"b" * 32),
        names: tuple[str, ...] = ("gradient", "moment"),
        tokens: int | None = None,
    ) -> Noises:
        found: Noises = {}
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        for k, key in enumerate(keys):
            run = make_run(key=key, ledger=Ledger(None))
            records = train.map("f", function)
            for step in run.poisson(records, rate, steps, state=(model, optimizer)):
                total = clipped_sum(model, step.records, CLIP, tokens)
                for name in names:
                    noised = step.gaussian(name, total, SIGMA)
                    for tensor, exact in total.tensors.items():
                        z = (noised.tensors[tensor] - exact) / (SIGMA * CLIP)
                        assert z.dtype == torch.float64
                        found[k, step.index, name, tensor] = z.flatten().numpy()
        return found

    return collect


def flaws(noises: Noises) -> set[str]:
    """What is wrong with noise that should be independent N(0, 1) for every key of the table.

    False-alarm probability of each below 1e-6 on a sound source.
    """
    found = set()
    pooled = np.concatenate(list(noises.values()))
    if stats.kstest(pooled, "norm").pvalue < 1e-6 or np.abs(pooled).max() > LIMIT:
        found.add("distribution")
    table = np.array(list(noises.values()))
    n = table.shape[1]
    pairs = np.abs(np.corrcoef(table)[np.triu_indices(len(table), 1)])
    if pairs.max() * math.sqrt(n) > stats.norm.isf(0.5e-6 / len(pairs)):
        found.add("streams are correlated")
    lags = [np.mean(table[:, lag:] * table[:, :-lag]) for lag in range(1, 20)]
    if np.abs(lags).max() * math.sqrt(table.size) > stats.norm.isf(0.5e-6 / len(lags)):
        found.add("neighbours are correlated")
    if len(np.unique(np.abs(pooled))) < len(pooled):  # a chance of 1e-6 in 2^53 cells
        found.add("a draw is used twice")
    for z in (pooled, pooled * SIGMA * CLIP):
        if np.mean(np.abs(z - z.astype(np.float32)) <= 1e-12 * np.abs(z)) > 0.01:
            found.add("coarse")
    return found


WORDS = HashedWords(256, 1, True)


def test_noise_is_normal_and_independent_over_steps_names_keys(
    released: Callable[..., Noises],
) -> None:
    """Noise is normal and independent over steps, names, tensors and keys."""
    noises = released(TwoHeads().train(), WORDS)
    assert len(noises) == 2 * 4 * 2 * 2 and {len(z) for z in noises.values()} == {768}
    assert flaws(noises) == set()


def half_of_box_muller(key: bytes, path: tuple[str | int, ...], size: int) -> Floats:
    u = streams.uniforms(key, path, 2 * size)
    return np.sqrt(-2 * np.log1p(-u[:size])) * np.abs(np.sin(2 * np.pi * u[size:]))


def pairs_of_box_muller(key: bytes, path: tuple[str | int, ...], size: int) -> Floats:
    """Both outputs, but of one angle: cosine twice."""
    half = -(-size // 2)
    u = streams.uniforms(key, path, 2 * half)
    z = np.sqrt(-2 * np.log1p(-u[:half])) * np.cos(2 * np.pi * u[half:])
    return np.repeat(z, 2)[:size]


def shifted(key: bytes, path: tuple[str | int, ...], size: int) -> Floats:
    """One stream for all steps, each a little further on."""
    _, step, *rest = path
    assert isinstance(step, int)
    return gaussians(key, ("noise", *rest), size + 8 * step)[8 * step :]


BROKEN: dict[str, tuple[Source, str]] = {
    "one step number for all": (
        lambda key, path, n: gaussians(key, ("noise", 0, *path[2:]), n),
        "a draw is used twice",
    ),
    "no name in the path": (
        lambda key, path, n: gaussians(key, (*path[:2], path[3]), n),
        "streams are correlated",
    ),
    "no tensor in the path": (
        lambda key, path, n: gaussians(key, path[:3], n),
        "streams are correlated",
    ),
    "one key for two cells": (
        lambda key, path, n: gaussians(b"a" * 32, path, n),
        "streams are correlated",
    ),
    "windows of one stream": (shifted, "a draw is used twice"),
    "the other sign for a second release": (
        lambda key, path, n: (
            gaussians(key, (*path[:2], path[3]), n) * (-1) ** (path[2] == "moment")
        ),
        "a draw is used twice",
    ),
    "half of Box-Muller": (half_of_box_muller, "distribution"),
    "cosine twice": (pairs_of_box_muller, "neighbours are correlated"),
    "float32": (lambda key, path, n: gaussians(key, path, n).astype(np.float32), "coarse"),
    "cast to float32": (
        lambda key, path, n: gaussians(key, path, n).astype(np.float32).astype(np.float64),
        "coarse",
    ),
    "scaled to the mean": (lambda key, path, n: gaussians(key, path, n) / 3, "distribution"),
    "one and a tenth": (lambda key, path, n: gaussians(key, path, n) * 1.1, "distribution"),
    "none": (lambda key, path, n: np.zeros(n), "distribution"),
    "uniform": (
        lambda key, path, n: (streams.uniforms(key, path, n) - 0.5) * math.sqrt(12),
        "distribution",
    ),
    "neighbours add up": (
        lambda key, path, n: np.diff(gaussians(key, path, n + 1)) / math.sqrt(2),
        "neighbours are correlated",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_noise_that_is_broken_is_told_apart(
    name: str, released: Callable[..., Noises], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, flaw = BROKEN[name]
    monkeypatch.setattr(release, "gaussians", source)
    with np.errstate(invalid="ignore"):
        assert flaw in flaws(released(TwoHeads().train(), WORDS))


@pytest.mark.parametrize("tokens", [8, 64, 10**6])
def test_adapters_trainable_tensors_each_get_their_own_noise(
    tokens: int, lora_model: Any, released: Callable[..., Noises]
) -> None:
    """Every trainable tensor of an adapter gets its own normal noise.

    Realised values of run.poisson and step.gaussian, for each micro-batch size.
    """
    model, frozen = lora_model
    noises = released(
        model, frozen, rate=0.06, steps=70, keys=(b"a" * 32,), names=("gradient",), tokens=tokens
    )
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    by_tensor = {t: np.array([z for k, z in noises.items() if k[3] == t]) for t in trained}
    assert len(trained) == 10 and {len(z) for z in by_tensor.values()} == {70}
    for name, z in by_tensor.items():
        assert stats.kstest(z.ravel(), "norm").pvalue > 1e-7, name
        assert z.size * z.var() < stats.chi2.isf(1e-7, z.size), name
        assert z.size * z.var() > stats.chi2.ppf(1e-7, z.size), name
    for a, b in combinations(by_tensor.values(), 2):
        n = min(a.shape[1], b.shape[1])
        r = np.corrcoef(a[:, :n].ravel(), b[:, :n].ravel())[0, 1]
        assert abs(r) * math.sqrt(70 * n) < 6


# Streams as sets of words.


def shared(streams_of_words: list[NDArray[np.uint64]]) -> bool:
    """Whether a word of one stream stands anywhere in another, or twice, at any 4-byte offset.

    So no stream is a prefix of another or a window of it. Chance: 1e-8 at 2^18 words.
    """
    halves = [w.view("<u4") for w in streams_of_words]
    windows = [h[i : i + 2 * ((len(h) - i) // 2)].view("<u8") for h in halves for i in (0, 1)]
    words = np.concatenate(windows)
    return len(np.unique(words)) < len(words)


def all_paths() -> list[tuple[bytes, tuple[str | int, ...]]]:
    noise = [
        (key, ("noise", step, name, tensor))
        for key in (b"a" * 32, b"b" * 32, bytes(32))
        for step in (0, 1, 2, 10, 11, 100)
        for name in ("g", "gradient", "gradient1", "1", "")
        for tensor in ("w", "head.weight", "head.bias")
    ]
    coins = [(key, ("coin", step)) for key in (b"a" * 32, bytes(32)) for step in range(12)]
    return noise + coins


def test_no_two_paths_share_a_word_of_their_streams() -> None:
    words = [keystream(key, path, 400) for key, path in all_paths()]
    assert len(words) == 3 * 6 * 5 * 3 + 24
    assert not shared(words)
    first = words[0]
    assert shared([*words, first[:2]]) and shared([*words, first[300:302]])
    assert shared([*words, first.view("<u4")[101:105].view("<u8")])


def test_joining_the_parts_of_a_path_would_be_found() -> None:
    """The classic: step 1 of release "1g" and step 11 of release "g"."""
    joined = [keystream(b"a" * 32, ("noise" + a + b,), 100) for a, b in (("1", "1g"), ("11", "g"))]
    apart = [keystream(b"a" * 32, ("noise", a, b), 100) for a, b in ((1, "1g"), (11, "g"))]
    assert shared(joined) and not shared(apart)


# Tails.


def check_tails(size: int) -> None:
    z = gaussians(b"tails".ljust(32, b"\0"), ("noise", 0, "g", "w"), size)
    assert np.abs(z).max() <= LIMIT
    for beyond in (1.0, 2.0, 3.0, 4.0, 5.0):
        share = stats.norm.sf(beyond)
        for side in (z, -z):
            assert stats.binomtest(int((side > beyond).sum()), size, share).pvalue > 1e-7, beyond
    for power, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(np.mean(z**power) - moment) < 5.5 * math.sqrt(spread / size), power


def test_tails_hold_the_right_share_of_a_million_draws() -> None:
    check_tails(10**6)


@pytest.mark.slow
def test_tails_hold_the_right_share_of_ten_million_draws() -> None:
    check_tails(10**7)


def test_float32_uniforms_would_lose_the_tails() -> None:
    """The largest value of 24-bit uniforms is 5.4; of 53-bit ones 8.29."""
    assert stats.norm.isf(2.0**-25) < 5.5 and 8.29 < stats.norm.isf(2.0**-54) < LIMIT


def at_the_ends(monkeypatch: pytest.MonkeyPatch) -> Floats:
    """Normal values of the smallest and largest words, and of those next to the middle."""
    words = np.array([0, 2**64 - 1, 2**63 - 1, 2**63], np.uint64)
    monkeypatch.setattr(streams, "keystream", lambda key, path, size: words)
    return gaussians(b"k" * 32, ("noise", 0, "g", "w"), 4)


def test_the_smallest_word_gives_a_finite_value_within_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert -LIMIT < at_the_ends(monkeypatch)[0] < -8.29


def test_largest_word_is_finite_and_the_ends_are_symmetric(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The largest word gives a finite value, and the ends are symmetric."""
    z = at_the_ends(monkeypatch)
    assert np.isfinite(z).all() and z[0] == -z[1] and z[2] == -z[3] != 0


def test_ledger_and_noise_agree_on_the_standard_deviation(
    make_run: Any, train: PrivateRecords, tmp_path: Path
) -> None:
    """The ledger and the noise agree on the standard deviation.

    σ in the ledger times the sensitivity in the ledger is what is realised, for any clip.
    """
    model = TwoHeads().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    for clip, sigma in ((0.01, 3.0), (7.0, 0.5)):
        run = make_run(ledger=Ledger(None))
        values = []
        for step in run.poisson(train.map("w", WORDS), 1e-9, 8, state=(model, optimizer)):
            noised = step.gaussian("g", clipped_sum(model, step.records, clip), sigma)
            for name, value in noised.tensors.items():  # of an empty batch: the noise itself
                path = ("noise", step.index, "g", name)
                exact = sigma * clip * gaussians(b"k" * 32, path, value.numel())
                np.testing.assert_allclose(value.numpy().ravel(), exact, rtol=1e-14)
                values.append(value.numpy().ravel())
        booked = {r.noise_multiplier * r.sensitivity for r in run.releases}
        assert booked == {clip * sigma}
        pooled = np.concatenate(values)
        assert len(pooled) == 8 * 2 * 768
        assert stats.kstest(pooled / booked.pop(), "norm").pvalue > 1e-6
