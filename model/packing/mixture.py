"""The mixture: how many tokens of each group have been drawn by when.

Shares come from the tokens that groups had when they were tokenized, so a drop changes none. Fixed shares of several tables at once
(half Python, a tenth notebooks) are met together by scaling table after table until all hold (iterative proportional fitting).
Time is counted in tokens drawn of all groups. Between the moments at which some group reaches its cap, groups are drawn at constant
rates; from then on the others take its share. So what is drawn by any moment is a closed formula: nothing has to be run through.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.packing.config import MixtureConfig
from stack_data.errors import ConfigError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_ROUNDS = 1000


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """Documents that are drawn alike."""

    release: str
    language: str
    kind: str

    @property
    def name(self) -> str:
        """The group in one word, as accounts of what was drawn say it."""
        return f"{self.release}:{self.language}:{self.kind}"


def shares(config: MixtureConfig, groups: tuple[Group, ...], sizes: Ints) -> Floats:
    """Return the share of tokens of each group: float64[G], sum 1. sizes: their tokens, int64[G].

    Raises ConfigError for names that no group has and for shares that cannot all be met.
    """
    axes = {axis: [getattr(group, axis) for group in groups] for axis in ("language", "kind", "release")}
    tables = {"language": config.languages, "kind": config.kinds, "release": config.releases}
    found = sizes.astype(np.float64) * _tempered(axes["language"], sizes, config.temperature)
    targets: list[tuple[list[str], Mapping[str, float]]] = []
    for axis, table in tables.items():
        _known(f"mixture.{axis}s", table, axes[axis])
        if config.fixed and table:
            targets.append((axes[axis], table))
        else:
            found *= [table.get(label, 1.0) for label in axes[axis]]
    if config.replay:
        _known("mixture.replay", config.replay, axes["release"])
        labels = ["replayed" if release in config.replay else "new" for release in axes["release"]]
        targets.append((labels, {"replayed": config.replay_share, "new": 1 - config.replay_share}))
    found = _raked(found, targets)
    if not found.sum() > 0:
        raise ConfigError(
            "the mixture draws nothing: every group has weight 0 or no tokens; raise a weight in [mixture]"
        )
    return np.asarray(found / found.sum(), np.float64)


def caps(config: MixtureConfig, groups: tuple[Group, ...]) -> Floats:
    """Return how many epochs each group has at most: float64[G], infinite where there is no cap."""
    names = [name for group in groups for name in (group.language, group.kind, group.release)]
    _known("mixture.epochs", config.epochs, names)
    least = config.max_epochs or np.inf
    return np.array([
        min([least, *(config.epochs[name] for name in (group.language, group.kind, group.release) if name in config.epochs)])
        for group in groups
    ])  # fmt: skip


def _known(where: str, names: Iterable[str], labels: list[str]) -> None:
    """Refuse a name that no document has, with the nearest one."""
    for name in names:
        if name not in labels:
            known = sorted(set(labels))
            near = difflib.get_close_matches(name, known, 1)
            more = f" and {len(known) - 8:,} more" if len(known) > 8 else ""
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known[:8])}{more}"
            raise ConfigError(f"{where} names {name!r}, which no document of the shards has{hint}")


def _tempered(languages: list[str], sizes: Ints, temperature: float) -> Floats:
    """Return for each group what its language's size is to be multiplied with."""
    totals = {
        name: sum(int(size) for one, size in zip(languages, sizes, strict=True) if one == name)
        for name in set(languages)
    }
    return np.array([float(totals[name]) ** (temperature - 1) if totals[name] else 0.0 for name in languages])


def _raked(found: Floats, targets: list[tuple[list[str], Mapping[str, float]]]) -> Floats:
    """Scale groups until each table's shares hold; what a table does not name shares the rest."""
    tables = [(np.array(labels), _completed(labels, table)) for labels, table in targets]
    for _ in range(_ROUNDS):
        worst = 0.0
        for labels, table in tables:
            found = found / found.sum()
            for members, share in ((np.isin(labels, names), share) for names, share in table):
                now = found[members].sum()
                if now == 0 < share:
                    raise ConfigError(
                        f"[mixture] gives {share:g} of the tokens to documents that there are none of: see its tables"
                    )
                worst = max(worst, abs(now - share))
                found[members] *= share / now if now else 0.0
        if worst < 1e-9:
            return found
    raise ConfigError(
        "the shares in [mixture] contradict each other: no mixture of these documents has them all; change one table"
    )


def _completed(labels: list[str], table: Mapping[str, float]) -> list[tuple[list[str], float]]:
    """Return (names, share) of a table, with those that it does not name together; shares sum to 1."""
    others = sorted(set(labels) - set(table))
    total = sum(table.values())
    if others:
        return [*(([name], share) for name, share in table.items()), (others, 1 - total)]
    return [([name], share / total) for name, share in table.items()]


class Pace:
    """How many tokens of each group are drawn by a moment, for groups with shares and caps."""

    def __init__(self, group_shares: Floats, sizes: Ints, epochs: Floats) -> None:
        """shares: float64[G], sizes: tokens of one epoch int64[G], epochs: float64[G], may be infinite."""
        limits = np.where(sizes > 0, np.maximum(sizes, 1) * epochs, 0.0)
        times, drawn = [0.0], [np.zeros(len(sizes))]
        active = (group_shares > 0) & (limits > 0)
        self._rates = np.zeros(len(sizes))
        while active.any():
            self._rates = np.where(active, group_shares, 0.0) / group_shares[active].sum()
            left = np.full(len(sizes), np.inf)
            left[active] = (limits[active] - drawn[-1][active]) / self._rates[active]
            if not np.isfinite(left.min()):
                break
            spent = left <= left.min() * (1 + 1e-12)
            times.append(times[-1] + left.min())
            drawn.append(np.where(spent & active, limits, drawn[-1] + self._rates * left.min()))
            active &= ~spent
            self._rates = np.zeros(len(sizes))
        self._times, self._drawn = np.array(times), np.array(drawn)

    @property
    def end(self) -> float:
        """When every group is spent; infinite when one never is."""
        return float("inf") if self._rates.any() else float(self._times[-1])

    def drawn(self, time: float) -> Ints:
        """Return the tokens drawn of each group by a moment: int64[G]. time: tokens of all groups."""
        step = int(np.searchsorted(self._times, time, side="right")) - 1
        if step + 1 == len(self._times):
            return _whole(self._drawn[step] + self._rates * (time - self._times[step]))
        part = (time - self._times[step]) / (self._times[step + 1] - self._times[step])
        return _whole(self._drawn[step] + (self._drawn[step + 1] - self._drawn[step]) * part)


def _whole(tokens: Floats) -> Ints:
    return np.asarray(np.floor(tokens), np.int64)
