"""Building decision tables out of columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data.reasons import Reason


def decision_columns(
    ids: pa.Array | pa.ChunkedArray, codes: npt.NDArray[np.integer[Any]], reasons: Sequence[Reason], details: pa.Array,
    action: str = "drop",
) -> dict[str, pa.Array]:  # fmt: skip
    """Return the columns every decision table has.

    codes: int[N], index into `reasons`, -1 for keep; details: string[N]; action: what the others are.
    """
    decided = codes >= 0
    reason_codes = pa.array(codes.astype(np.int16), mask=~decided)
    names = pa.array([reason.value for reason in reasons], pa.string())
    return {
        "content_id": ids,
        "action": pa.DictionaryArray.from_arrays(pa.array(decided.astype(np.int8)), pa.array(["keep", action])),
        "reason": pa.DictionaryArray.from_arrays(reason_codes, names),
        "detail": details,
    }
