"""How long steps take, from the rows of earlier runs: for the time that is left, and for plans."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from statistics import median

from tsprune.engine.step import Step
from tsprune.engine.store import Store

_ALIKE = (("model", "d_model", "dataset"), ("model", "d_model"), ("d_model",))
"""What rows of one kind have in common with the step, the closest first. A width that was never run tells nothing."""


class Durations:
    """Medians over rows as the store has them, failed ones aside."""

    def __init__(self, rows: Iterable[dict]):
        self._costs: dict[tuple, list[dict]] = defaultdict(list)
        for row in rows:
            if row.get("status") == "ok":
                for place in _places(row["kind"], row["protocol"]):
                    self._costs[place].append(row["cost"])

    def seconds(self, step: Step) -> float | None:
        """Of the steps most like this one; None where there are none."""
        return self._median(step, "seconds")

    def memory(self, step: Step) -> float | None:
        """Peak memory of its process, MiB, likewise."""
        return self._median(step, "peak_memory_mib")

    def _median(self, step: Step, cost: str) -> float | None:
        for place in _places(step.kind, step.protocol()):
            values = [known for costs in self._costs.get(place, ()) if (known := costs.get(cost)) is not None]
            if values:
                return median(values)
        return None


def _places(kind: str, protocol: dict) -> Iterator[tuple]:
    for names in _ALIKE:
        yield (kind, *((name, protocol.get(name)) for name in names))


def stored_rows(store: Store) -> Iterator[dict]:
    """Every row of a store that can be read. Unchecked: for estimates, not for results."""
    for path in store.root.glob("??/*/row.json"):
        with suppress(OSError, ValueError):  # another run has just removed it, or it is damaged, which its user is told
            yield json.loads(path.read_bytes())
