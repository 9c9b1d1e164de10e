"""The studies, by the name of their notebook: where their parameters are checked and where their cells are named."""

from dataclasses import dataclass
from importlib import import_module

from tsprune.study.base.cells import Cells
from tsprune.typed import Config


@dataclass(frozen=True)
class Study:
    """A folder beside this file, and the names of two classes in it. What is not asked for is not imported."""

    folder: str
    config_name: str
    cells_name: str
    trains: bool = True
    """Whether it runs steps, and so has data, models and a recipe; or only reads the rows of others."""

    @property
    def config(self) -> type[Config]:
        return getattr(import_module(f"tsprune.study.{self.folder}.config"), self.config_name)

    @property
    def cells(self) -> type[Cells]:
        return getattr(import_module(f"tsprune.study.{self.folder}.cells"), self.cells_name)


# In the order in which a profile runs them: first the one whose page is there soonest, last what reads others' rows.
STUDIES = {
    "02_fine_tuning": Study("fine_tuning", "FineTuning", "FineTuningCells"),
    "01_pruning_sweep": Study("pruning_sweep", "PruningSweep", "PruningSweepCells"),
    "03_right_sizing": Study("right_sizing", "RightSizing", "RightSizingCells"),
    "04_entsoe_scale": Study("entsoe_scale", "EntsoeScale", "EntsoeScaleCells"),
    "05_pals": Study("pals", "SparseTraining", "PalsCells"),
    "06_inference": Study("inference", "Inference", "InferenceCells"),
    "07_claims": Study("claims", "Claims", "ClaimsCells", trains=False),
}
