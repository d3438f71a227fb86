"""What radpriv knows by name: behind `radpriv list`."""

from __future__ import annotations

import re
import sys
from typing import Any

from radpriv.benchmark.docstring import docstring


def catalogue() -> dict[str, dict[str, str]]:
    """Every name radpriv knows, with a line about it."""
    from radpriv.attacks.attack import attacks
    from radpriv.attacks.attack_plan import DEFAULT
    from radpriv.benchmark.datasets import datasets
    from radpriv.benchmark.encoders.encoders import encoders
    from radpriv.benchmark.methods.method import methods
    from radpriv.benchmark.suites.suite import read_suite, shipped

    def first(item: Any) -> str:
        text = docstring(sys.modules[item.__module__])
        return " ".join(text.strip().split("\n\n")[0].split())

    return {
        "suites": {n: re.split(r"\.(?:\s|$)", read_suite(n).note)[0] for n in shipped()},
        "datasets": {n: datasets.get(n).card.title for n in datasets.names()},
        "encoders": {n: encoders.get(n).hub_id for n in encoders.names()},
        "methods": {n: first(methods.get(n)) for n in methods.names()},
        "attacks": {
            n: first(attacks.get(n)) + (" Made by default." if n in DEFAULT else "")
            for n in attacks.names()
        },
    }
