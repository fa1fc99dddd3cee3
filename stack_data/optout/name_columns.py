"""Columns of names in the form in which they are compared (identity.fold_name), without a Python object for every name."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from stack_data.identity import fold_name


def fold_column(names: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return each name folded, null for null: string[N]. For ASCII that is its lower case; only other names become Python's."""
    if isinstance(names, pa.ChunkedArray):
        names = names.combine_chunks()
    is_other = pc.invert(pc.string_is_ascii(names)).fill_null(False)
    others = [fold_name(one) for one in names.filter(is_other).to_pylist()]
    return pc.replace_with_mask(pc.ascii_lower(names), is_other, pa.array(others, pa.string()))
