"""Arrays inside numba kernels without their count of references.

numba raises and lowers the count of an array, atomically, at most calls that hand it on. In loops over bytes that cost three
quarters of the time. `borrowed(array)` is the same array without a count: the caller must hold the original for as long. Read-only
and writable arrays come out alike, so that what is called with them is compiled once.
"""

from __future__ import annotations

from typing import Any

from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic  # type: ignore[untyped-decorator]
def borrowed(_typing: Any, array: Any) -> Any:
    """Return an array as it is, without its count of references."""

    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        made = context.make_array(signature.return_type)(context, builder)
        given = context.make_array(signature.args[0])(context, builder, values[0])
        cgutils.copy_struct(made, given)
        made.meminfo = cgutils.get_null_value(made.meminfo.type)
        made.parent = cgutils.get_null_value(made.parent.type)
        return made._getvalue()

    return array.copy(readonly=False)(array), build
