"""Parameters of the studies: what a notebook's ``parameters`` cell and a profile's YAML file may say.

One field per parameter, flat, so that the three ways to run a study (``tsprune study``, papermill, JupyterLab) meet
the same names and the same checks.
"""

from tsprune.study.config.common import StudyConfig
from tsprune.study.config.fine_tuning import FineTuning
from tsprune.study.config.pruning_sweep import PruningSweep
from tsprune.study.config.sizes import EntsoeScale, RightSizing
from tsprune.study.config.sparse_training import SparseTraining

STUDIES: dict[str, type[StudyConfig]] = {
    "01_pruning_sweep": PruningSweep,
    "02_fine_tuning": FineTuning,
    "03_right_sizing": RightSizing,
    "04_entsoe_scale": EntsoeScale,
    "05_pals": SparseTraining,
}
"""The config of each notebook, by the notebook's name."""

__all__ = ["STUDIES", "EntsoeScale", "FineTuning", "PruningSweep", "RightSizing", "SparseTraining", "StudyConfig"]
