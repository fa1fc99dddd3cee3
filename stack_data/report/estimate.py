"""An estimate of a build as text for people."""

from __future__ import annotations

from stack_data.estimate import Estimate
from stack_data.progress import duration
from stack_data.report.attrition import human_bytes, table_of

SHOWN_STEPS = 4


def _told_from(found: Estimate) -> str:
    most = max((one.factor for one in found.sources), default=1.0)
    if most <= 1.0:
        return "everything was read"
    told = f"told from {human_bytes(found.sample_bytes)} of text, in which fewer duplicates meet than in all of it"
    return told + ("; so small a sample tells orders of magnitude only (--sample MB)" if most > 50 else "")


def estimate_text(found: Estimate) -> str:
    """Return what a build is expected to read, keep and need."""
    lines = ["sources"]
    width = max(len(one.name) for one in found.sources) if found.sources else 0
    for one in found.sources:
        drawn = f"{one.sampled_units:,} of {one.num_units:,} units sampled"
        lines.append(f"  {one.name.ljust(width)}  {drawn}, {one.factor:,.1f} times the text that was read")
    lines += ["", table_of(found.entries, found.attrition, found.kept), ""]
    lines += [f"missing: {key}: {reason}" for key, reason in sorted(found.failures.items())]
    slowest = sorted(found.seconds.items(), key=lambda item: -item[1])[:SHOWN_STEPS]
    steps = ", ".join(f"{step} {duration(seconds)}" for step, seconds in slowest)
    lines += [
        f"time: {duration(sum(found.seconds.values()))} with {found.workers} workers ({steps})",
        f"disk: {human_bytes(found.disk[0])} when it is done, {human_bytes(found.disk[1])} more while it runs",
        f"memory: {human_bytes(found.memory)}",
        f"dry run: about {found.kept[0]:,} of {found.entries[0]:,} files would be kept, {human_bytes(found.kept[1])}; "
        + _told_from(found),
    ]
    return "\n".join(lines)
