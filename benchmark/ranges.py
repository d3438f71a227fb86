"""Numbers of a range, as types: what a field's number may be, where the files are read.

@file_format
@dataclass(frozen=True)
class Group:
    rate: Rate
    steps: PositiveCount
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(ge=0)]
PositiveCount = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
"""An inclusion probability: 1 for what is always there."""
Probability = Annotated[float, Field(gt=0, lt=1)]
"""Of δ and of a confidence: neither impossible nor certain."""
