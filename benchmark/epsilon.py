"""ε as a type: a positive number, or inf for what is not private; in a file inf is the word "inf".

Epsilon                 # annotate a field with it, and schema.py reads and writes it
Bound                   # a lower bound on ε, or the estimate of one: finite, and 0 shows nothing
encoded(math.inf)       # "inf": JSON has no infinity
decoded("inf")          # math.inf
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import AllowInfNan, BeforeValidator, Field, PlainSerializer

INFINITE = "inf"


def encoded(epsilon: float) -> float | str:
    """As a file holds it; a finite ε is a number."""
    return INFINITE if epsilon == math.inf else epsilon


def decoded(value: object) -> object:
    """The inverse of `encoded`; what is neither is left for a validator to refuse."""
    return math.inf if value == INFINITE else value


Epsilon = Annotated[
    float,
    AllowInfNan(True),
    Field(gt=0, json_schema_extra={"description": 'positive, or "inf" for non-private'}),
    BeforeValidator(decoded, json_schema_input_type=float | str),
    PlainSerializer(encoded, return_type=float | str),
]

Bound = Annotated[
    float, Field(ge=0, json_schema_extra={"description": "at least 0, where 0 shows nothing"})
]
