"""What an experiment is: configs, steps, the store, the grid, and one module per study. Notebooks call this."""

from tsprune.study.config import STUDIES, PruningSweep
from tsprune.study.sweep import SweepResult, run_sweep

__all__ = ["STUDIES", "PruningSweep", "SweepResult", "run_sweep"]
