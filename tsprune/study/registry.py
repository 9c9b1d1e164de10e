"""Parameters of the studies: what a notebook's ``parameters`` cell and a profile's YAML file may say.

One field per parameter, flat, so that the three ways to run a study (``tsprune study``, papermill, JupyterLab) meet
the same names and the same checks.
"""

from tsprune.study.base.config import StudyConfig
from tsprune.study.entsoe_scale.config import EntsoeScale
from tsprune.study.fine_tuning.config import FineTuning
from tsprune.study.pals.config import SparseTraining
from tsprune.study.pruning_sweep.config import PruningSweep
from tsprune.study.right_sizing.config import RightSizing

STUDIES: dict[str, type[StudyConfig]] = {
    "01_pruning_sweep": PruningSweep,
    "02_fine_tuning": FineTuning,
    "03_right_sizing": RightSizing,
    "04_entsoe_scale": EntsoeScale,
    "05_pals": SparseTraining,
}
"""The config of each notebook, by the notebook's name."""
