"""What an experiment is: configs, steps, the store, the grid, and one module per study. Notebooks call this."""

from tsprune.study.config import STUDIES, EntsoeScale, FineTuning, PruningSweep, RightSizing, SparseTraining
from tsprune.study.entsoe_scale import ScaleResult, run_entsoe_scale
from tsprune.study.fine_tuning import FineTuningResult, run_fine_tuning
from tsprune.study.right_sizing import RightSizingResult, run_right_sizing
from tsprune.study.sparse_training import SparseTrainingResult, run_sparse_training
from tsprune.study.sweep import SweepResult, run_sweep
from tsprune.study.why import WhyResult, run_why

__all__ = [
    "STUDIES",
    "EntsoeScale",
    "FineTuning",
    "FineTuningResult",
    "PruningSweep",
    "RightSizing",
    "RightSizingResult",
    "ScaleResult",
    "SparseTraining",
    "SparseTrainingResult",
    "SweepResult",
    "WhyResult",
    "run_entsoe_scale",
    "run_fine_tuning",
    "run_right_sizing",
    "run_sparse_training",
    "run_sweep",
    "run_why",
]
