"""How long steps take, from the rows of earlier runs: for the time that is left, and for plans."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from statistics import median
from types import MappingProxyType

from tsprune.engine.step import Step
from tsprune.engine.store import Store

_ALIKE = (
    ("device", "model", "d_model", "dataset", "eval_stride"),
    ("device", "model", "d_model", "dataset"),
    ("device", "model", "d_model"),
)
"""Columns in which rows must agree with the step, the closest match first. Rows of another width say nothing of its
time, nor do those of another model (a linear one trains a hundred times as fast) or another kind of device."""


class Durations:
    """Medians over rows as the store has them, failed ones aside.

    ``lengths``: time steps of datasets by name. The time of a row of another dataset is scaled by how much longer or
    shorter that is; where one of the two lengths is not known, it is taken as it is."""

    def __init__(self, rows: Iterable[dict], lengths: Mapping[str, int] = MappingProxyType({})):
        self._lengths = lengths
        # Rows are thousands, of which a run asks for those of a few kinds and models: the others are not looked at.
        self._rows: dict[tuple, list[dict]] = defaultdict(list)
        self._told: dict[tuple, tuple[float | None, ...]] = {}
        for row in rows:
            if row.get("status") == "ok":
                self._rows[row["kind"], row["protocol"].get("model")].append(row)

    def _length(self, row: dict) -> int | None:
        """Of the data that the step went through; None where it went through none, or through an unknown number."""
        seen = row.get("result", {}).get("windows_test") is not None
        return self._lengths.get(row["protocol"].get("dataset")) if seen else None

    def seconds(self, step: Step) -> float | None:
        """Seconds that the steps most like this one took; None if there are none."""
        return self.costs(step.kind, step.protocol(), "seconds")[0]

    def costs(self, kind: str, protocol: dict, *names: str) -> tuple[float | None, ...]:
        """For each of ``names`` in the ``cost`` of rows, what the steps most like one of this kind and protocol took;
        None where no such row has it."""
        asked = (kind, *map(protocol.get, _ALIKE[0]), names)  # has all that the others have
        if asked not in self._told:
            rows = self._rows.get((kind, protocol.get("model")), ())
            alike = [[row for row in rows if _same(row["protocol"], protocol, of)] for of in _ALIKE]
            length = self._lengths.get(protocol.get("dataset"))
            self._told[asked] = tuple(self._median(alike, name, length) for name in names)
        return self._told[asked]

    def _median(self, alike: Iterable[list[dict]], name: str, length: int | None) -> float | None:
        """Over the closest rows that have this cost, scaled to data of this length."""
        for rows in alike:
            told = [(row["cost"][name], self._length(row)) for row in rows if row["cost"].get(name) is not None]
            if told:
                return median(cost * _longer(name, length, theirs) for cost, theirs in told)
        return None


def _longer(name: str, length: int | None, theirs: int | None) -> float:
    return length / theirs if name == "seconds" and length and theirs else 1.0


def _same(one: dict, other: dict, names: Sequence[str]) -> bool:
    return all(one.get(name) == other.get(name) for name in names)


def stored_rows(store: Store) -> Iterator[dict]:
    """Every row of a store that can be read. Unchecked: for estimates, not for results."""
    for path in store.root.glob("??/*/row.json"):
        with suppress(OSError, ValueError):  # another run has just removed it, or it is damaged: told when it is used
            yield json.loads(path.read_bytes())
