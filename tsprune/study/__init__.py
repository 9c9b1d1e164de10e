"""What an experiment is: configs, steps, the store, the grid, and one module per study. Notebooks call this."""

from tsprune.study.config import STUDIES, FineTuning, PruningSweep
from tsprune.study.fine_tuning import FineTuningResult, run_fine_tuning
from tsprune.study.sweep import SweepResult, run_sweep

__all__ = [
    "STUDIES",
    "FineTuning",
    "FineTuningResult",
    "PruningSweep",
    "SweepResult",
    "run_fine_tuning",
    "run_sweep",
]
