"""How long steps take, from the rows of earlier runs: for the time that is left, and for plans."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from statistics import median

from tsprune.engine.step import Step
from tsprune.engine.store import Store

_ALIKE = (("device", "model", "d_model", "dataset"), ("device", "model", "d_model"), ("device", "d_model"))
"""What rows of one kind have in common with the step, the closest first. A width that was never run tells nothing, and
a processor nothing of an accelerator."""


class Durations:
    """Medians over rows as the store has them, failed ones aside."""

    def __init__(self, rows: Iterable[dict]):
        self._costs: dict[tuple, list[dict]] = defaultdict(list)
        self._told: dict[tuple, tuple[float | None, ...]] = {}
        for row in rows:
            if row.get("status") == "ok":
                for alike in _ALIKE:
                    self._costs[_place(row["kind"], row["protocol"], alike)].append(row["cost"])

    def seconds(self, step: Step) -> float | None:
        """Of the steps most like this one; None where there are none."""
        return self.costs(step.kind, step.protocol(), "seconds")[0]

    def costs(self, kind: str, protocol: dict, *names: str) -> tuple[float | None, ...]:
        """Costs by name, as rows have them, likewise, of a step of this kind and protocol."""
        asked = (_place(kind, protocol, _ALIKE[0]), names)  # has all that the others have
        if asked not in self._told:
            places = [_place(kind, protocol, alike) for alike in _ALIKE]
            self._told[asked] = tuple(self._median(places, name) for name in names)
        return self._told[asked]

    def _median(self, places: Iterable[tuple], name: str) -> float | None:
        """Of the first place that tells it."""
        for place in places:
            if values := [known for costs in self._costs.get(place, ()) if (known := costs.get(name)) is not None]:
                return median(values)
        return None


def _place(kind: str, protocol: dict, names: Sequence[str]) -> tuple:
    return (kind, *((name, protocol.get(name)) for name in names))


def stored_rows(store: Store) -> Iterator[dict]:
    """Every row of a store that can be read. Unchecked: for estimates, not for results."""
    for path in store.root.glob("??/*/row.json"):
        with suppress(OSError, ValueError):  # another run has just removed it, or it is damaged, which its user is told
            yield json.loads(path.read_bytes())
