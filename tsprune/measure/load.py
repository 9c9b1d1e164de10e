"""What else keeps the machine busy while something is timed."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

QUIET = 0.1
"""Cores that others may keep busy, on average, where nothing else is said to run."""

_STAT = Path("/proc/stat")
_GLANCE = 0.2  # seconds; the kernel counts in hundredths


@dataclass(frozen=True)
class Load:
    """Cores kept busy by other processes, by the kernel and by other machines on the same hardware: a mean over time;
    None if the system does not say (Linux does)."""

    cores: int
    others: float | None = None

    @property
    def quiet(self) -> bool:
        """Whether nothing else ran."""
        return self.others is not None and self.others <= QUIET

    def crowded(self, threads: int) -> bool:
        """Whether ``threads`` of this process had to share their cores with others."""
        return self.others is not None and self.others + threads > self.cores + QUIET

    def words(self) -> str:
        """``nothing else running`` is said only where it was so."""
        if self.others is None:
            return f"{self.cores} cores, what else ran is not known"
        if self.quiet:
            return f"{self.cores} cores, nothing else running"
        return f"{self.cores} cores, {self.others:.1f} of them busy with other processes"


class Watch:
    """Looks at what else runs from now on, and for a fifth of a second before, in which this process sleeps."""

    def __init__(self):
        self._before = _times()
        time.sleep(_GLANCE)

    def load(self) -> Load:
        """What else has run so far."""
        before, after = self._before, _times()
        cores = os.cpu_count() or 1
        if before is None or after is None or after[0] <= before[0]:
            return Load(cores)
        passed, busy, own = (later - earlier for earlier, later in zip(before, after, strict=True))
        return Load(cores, max(0.0, busy - own) / passed)


def _times() -> tuple[float, float, float] | None:
    """Seconds: of the clock, of all cores' work, of this process's; None where the system does not tell."""
    try:
        fields = _STAT.read_text().split("\n", 1)[0].split()
    except OSError:
        return None
    user, nice, system, _, _, interrupt, soft, stolen = (int(field) for field in fields[1:9])
    busy = (user + nice + system + interrupt + soft + stolen) / os.sysconf("SC_CLK_TCK")
    return time.monotonic(), busy, time.process_time()
