"""What the engine runs. A step is a pure function from its config, and the steps it needs, to a row.

A step's identity is the hash of everything its numbers depend on: the data's fingerprint and not its path, the full
config, the recipe, the seed, and the identities of the steps it needs.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

from tsprune.engine.store import Store
from tsprune.errors import UserError
from tsprune.typed import Config, digest

# To be raised when the numbers of a step change their meaning: rows of older versions are then no longer found.
RESULTS_VERSION = 3

FINAL = ("ok", "diverged", "broken")
"""Rows with these states are results: they are not computed again. A failed step is tried again by the next run."""

NOT_RUN = "not run"
"""The status of a step that was not begun, for lack of time or room. It is not a result and is not stored."""

NOT_YET = "has not run yet"
"""The reason of a row that is not run where nothing but time was lacking."""

Writer = Callable[[Path], None]
"""Writes one file, at the path it is given."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a step: numbers that repeat bit for bit (``result``), structured extras (``detail``), numbers that
    do not repeat (``cost``), and the files to keep beside them, by name."""

    result: dict[str, float | int | None]
    detail: dict
    cost: dict[str, float | None]
    status: str = "ok"
    reason: str | None = None
    files: Mapping[str, Writer] = field(default_factory=dict)


class Step(Config, ABC):
    """Base of all steps; see the module's text."""

    kind: ClassVar[str]
    alone: ClassVar[bool] = False
    """Whether no other step may run at the same time, as while time is measured."""
    keepsake: ClassVar[str | None] = None
    """Name of the file that holds the model the step ends with; None: it ends with numbers only."""
    lasting: ClassVar[bool] = False
    """Whether the keepsake stays where only dense models are kept."""

    @cached_property
    def key(self) -> str:
        """The hash of :meth:`identity`: the step's name in the store."""
        return digest(self.identity())

    def __copy__(self) -> Self:
        """``model_copy`` changes fields of a copy: what was computed from the old ones (``key``) is left behind."""
        copied = super().__copy__()
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied

    @abstractmethod
    def identity(self) -> dict:
        """Everything the numbers depend on, as JSON values."""

    @property
    def needs(self) -> tuple["Step", ...]:
        """Steps that must be in the store before this one can run."""
        return ()

    @property
    def reads(self) -> tuple["Step", ...]:
        """Steps whose keepsakes :meth:`load` cannot do without."""
        return (self,) if self.keepsake else ()

    @property
    @abstractmethod
    def label(self) -> str:
        """A few words for the progress line."""

    @abstractmethod
    def protocol(self) -> dict:
        """The columns that say how the row's numbers were made."""

    @abstractmethod
    def run(self, store: Store) -> Outcome:
        """Do the work."""

    def load(self, store: Store) -> Any:
        """The model the step ended with. Raises :class:`UserError` for a step that ends with numbers only."""
        raise UserError(f"{self.label} ({self.key}): this step ends with numbers, not with a model")

    def recipe(self) -> dict:
        """All it takes to make the step again, as JSON values: its kind and its fields."""
        # serialize_as_any: a step within is written with all fields of its own class. Else pydantic writes a field that
        # may hold one of several classes by the first that fits, and once ``key`` is cached a base class does.
        return {"kind": self.kind, "fields": self.model_dump(mode="json", serialize_as_any=True)}
