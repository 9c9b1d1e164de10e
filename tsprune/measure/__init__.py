"""What was measured, and on what: parameters, multiply-adds, memory, and the machine itself."""

from tsprune.measure.complexity import count_parameters
from tsprune.measure.environment import environment, machine, made, version_of, versions
from tsprune.measure.intervals import prediction_intervals
from tsprune.measure.latency import PRECISION, latency_rounds, measure_latency, median_interval
from tsprune.measure.live import LiveReport, live_parameters
from tsprune.measure.load import Load, Watch
from tsprune.measure.macs import MacReport, count_macs
from tsprune.measure.memory import PeakMemory, gpu_lost, out_of_memory, places_on_gpu, share_gpu
from tsprune.measure.paired import Difference, paired_difference

__all__ = [
    "PRECISION",
    "Difference",
    "LiveReport",
    "Load",
    "MacReport",
    "PeakMemory",
    "Watch",
    "count_macs",
    "count_parameters",
    "environment",
    "gpu_lost",
    "latency_rounds",
    "live_parameters",
    "machine",
    "made",
    "measure_latency",
    "median_interval",
    "out_of_memory",
    "paired_difference",
    "places_on_gpu",
    "prediction_intervals",
    "share_gpu",
    "version_of",
    "versions",
]
