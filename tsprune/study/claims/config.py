"""Parameters of notebook 07."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field

from tsprune.study.base.config import MOST, Positive, StudyConfig
from tsprune.study.base.namespace import given_parameters
from tsprune.typed import Config, Folder


class Claims(Config):
    """Notebook 07: what becomes of the papers' claims? It trains nothing, so it has no data, model or recipe."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    least_seeds: Annotated[int, Field(ge=2, le=MOST)]
    """Seeds that a case needs, at least, to count for or against a claim."""
    least_cases: Positive
    """Cases that a claim needs, at least, for a verdict."""
    store: Folder = "outputs/store"
    """Folder of results, shared by all studies; a relative path starts at the working directory, else at the project.

    As a dataset's: at the project where nothing of that name is in the working directory."""

    @classmethod
    def from_namespace(cls, namespace: Mapping[str, Any]) -> Self:
        """Build the config from a notebook's globals, see :meth:`StudyConfig.from_namespace`. What a profile's common
        file says of data and models is for the studies that train, and passed over."""
        given = given_parameters(namespace, cls.model_fields)
        others = StudyConfig.model_fields.keys() - cls.model_fields.keys()
        return cls.parse({name: value for name, value in given.items() if name not in others}, where="parameters")
