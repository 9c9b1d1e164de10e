"""What was measured, and on what: parameters, multiply-adds, memory, and the machine itself."""

from tsprune.measure.complexity import count_parameters, matmul_macs
from tsprune.measure.environment import environment, versions
from tsprune.measure.memory import PeakMemory

__all__ = ["PeakMemory", "count_parameters", "environment", "matmul_macs", "versions"]
