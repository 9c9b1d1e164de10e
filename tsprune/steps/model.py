"""Steps that end with a model, and can give it back."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from tsprune.data import CATALOG
from tsprune.engine.execute import execute, finite
from tsprune.engine.step import Step
from tsprune.engine.store import Store
from tsprune.errors import UserError
from tsprune.models import About, Forecaster, load_checkpoint
from tsprune.pruners.masks import Masks
from tsprune.steps.artifacts import MODEL_FILE
from tsprune.steps.data import DataSpec


class ModelStep(Step):
    """Base of the steps that end with a model."""

    keepsake: ClassVar[str | None] = MODEL_FILE

    @property
    @abstractmethod
    def place(self) -> tuple[DataSpec, str]:
        """The data that the model is for, and the device that it lies on."""

    def load(self, store: Store) -> Forecaster:
        """The model as the step left it, on its device, zeros where weights were pruned.

        Computed again where the store has its numbers only. Raises ``Corrupt`` when the stored file was damaged and
        :class:`UserError` when the step comes to no model.
        """
        return self.load_masked(store)[0]

    def load_masked(self, store: Store) -> tuple[Forecaster, Masks]:
        """:meth:`load`, and the masks by parameter name; none for a model that is dense or narrowed."""
        self.need_keepsake(store)
        model, masks = load_checkpoint(store.artifact(self.key, MODEL_FILE))
        device = self.place[1]
        return model.to(device), {name: mask.to(device) for name, mask in masks.items()}

    def need_keepsake(self, store: Store) -> None:
        """Compute the step (again) unless the store has its model."""
        if not store.has(self.key, self.keepsake):
            row = execute(self, str(store.root))
            if row["status"] != "ok":
                raise UserError(f"{self.label} ({self.key}) has no model: {row['status']}, {row['reason']}")

    def origin(self, protocol: dict) -> dict:
        """The ``protocol``, and what else it takes to make the model again: its ``key``, and its ``training``, a recipe
        for each that it went through."""
        return protocol | {"key": self.key, "training": list(_trainings(self.recipe()["fields"]))}

    def about(self, result: dict, before: dict | None = None, protocol: dict | None = None) -> About:
        """What a checkpoint of the model says: the data's columns, scaling and unit, the ``protocol`` (None: that of
        this process), the test errors ``before`` pruning and after it (``result``). A model of pooled data is for any
        of their series: it says neither columns nor scaling."""
        data, device = self.place
        table, splits, protocol = data.table(), data.splits(device), protocol or self.protocol()
        scaling = {} if table.pooled else {"columns": table.columns, "mean": splits.mean, "std": splits.std}
        return About(
            **scaling,
            unit=CATALOG[table.catalog_name].unit if table.catalog_name else None,
            time_step=table.time_step,
            season=table.season,
            dataset=data.label,
            fingerprint=data.fingerprint,
            protocol=self.origin(protocol),
            density_asked=protocol.get("density_asked"),
            density_achieved=result.get("density"),
            before=_errors(before or {}),
            after=_errors(result),
        )


def _trainings(fields: dict) -> Iterator[dict]:
    """The training recipes in the ``fields`` of a step: those of the steps that it goes back to, then its own. How a
    given checkpoint was trained is not known."""
    for name, value in fields.items():
        if isinstance(value, dict) and name != "train":
            yield from _trainings(value)
    if "train" in fields and "checkpoint" not in fields:
        yield fields["train"]


def _errors(result: dict) -> dict:
    return finite({name: result[name] for name in ("mse", "mae") if name in result})
