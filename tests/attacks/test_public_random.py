"""Public numbers by name: pinned values, since ids and null rows must not move with NumPy."""

from __future__ import annotations

import numpy as np

from radpriv.attacks.public_random import public_permutation, public_words


def test_words_depend_on_the_name_and_on_nothing_else() -> None:
    words = public_words(8, "family", 0, "null")
    assert np.array_equal(words, public_words(8, "family", 0, "null"))
    assert not np.isin(words, public_words(8, "family", 1, "null")).any()
    assert np.array_equal(public_words(3, "a"), public_words(8, "a")[:3])


def test_a_permutation_holds_every_position_once_and_is_pinned() -> None:
    order = public_permutation(1000, "family", 0, "null")
    assert sorted(order.tolist()) == list(range(1000))
    assert public_permutation(8, "pinned").tolist() == PINNED


PINNED = [3, 1, 5, 4, 6, 7, 0, 2]
