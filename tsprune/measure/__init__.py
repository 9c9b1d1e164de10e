"""What was measured, and on what: parameters, multiply-adds, memory, and the machine itself."""

from tsprune.measure.complexity import count_parameters
from tsprune.measure.environment import environment, versions
from tsprune.measure.live import LiveReport, live_parameters
from tsprune.measure.macs import MacReport, count_macs
from tsprune.measure.memory import PeakMemory

__all__ = [
    "LiveReport",
    "MacReport",
    "PeakMemory",
    "count_macs",
    "count_parameters",
    "environment",
    "live_parameters",
    "versions",
]
