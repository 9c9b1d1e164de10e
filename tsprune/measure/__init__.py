"""What was measured, and on what: parameters, multiply-adds, memory, and the machine itself."""

from tsprune.measure.complexity import count_parameters, matmul_macs
from tsprune.measure.environment import environment, versions
from tsprune.measure.live import LiveReport, live_parameters
from tsprune.measure.memory import PeakMemory

__all__ = [
    "LiveReport",
    "PeakMemory",
    "count_parameters",
    "environment",
    "live_parameters",
    "matmul_macs",
    "versions",
]
