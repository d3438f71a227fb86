"""A method as a new process would find it.

    fresh_plugin(method).fit(…)     # its module has run again: nothing is left of earlier fits

Runs that share a process share what a module keeps: a dictionary, an `lru_cache`, a class
attribute that the first fit fills from its records. Every later fit would then show the first
one's statistic, on whatever neighbour, and the leak would be in none of the differences.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import fields, is_dataclass
from typing import Any

from radpriv.benchmark.methods.method import Method, methods


def fresh_plugin(method: Method) -> Method:
    """Equal to `method`, of a class that was made by running its module once more.

    The method itself where its class is radpriv's own, or is not the one that its module registers.
    What it keeps in other modules stays as it is.
    """
    kind = type(method)
    module = sys.modules.get(kind.__module__)
    spec = getattr(module, "__spec__", None)
    ours = kind.__module__.partition(".")[0] == "radpriv"
    if ours or spec is None or spec.loader is None or kind not in methods:
        return method
    with methods.as_before():
        again = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(again)
    made: Any = again
    for name in kind.__qualname__.split("."):
        made = getattr(made, name)
    names = [f.name for f in fields(method)] if is_dataclass(method) else []
    new: Method = made(**{name: getattr(method, name) for name in names})
    return new
