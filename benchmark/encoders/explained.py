"""One sentence for whatever a library raises over an encoder.

with explained("mine", "roberta", "reading its weights", "download them again"):
    AutoModel.from_pretrained(…)

The exception's own words stay out: at a forward pass they may quote a report. Its kind and place
say where to look, and `--debug` shows the traceback.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from radpriv.errors import EncoderError, RadprivError, kind_and_place

ANOTHER = "give another encoder, or mend its folder"


@contextmanager
def explained(name: str, kind: str, doing: str, remedy: str = ANOTHER) -> Iterator[None]:
    """EncoderError instead of any exception in the block.

    name: the encoder's.  kind: its architecture.  doing: what failed, a gerund.  remedy: what the
    user may do.
    """
    try:
        yield
    except RadprivError:
        raise
    except MemoryError:
        raise
    except Exception as error:
        raise EncoderError(
            f"encoder '{name}' ({kind}): {doing} ended in {kind_and_place(error)}; {remedy}"
        ) from error
