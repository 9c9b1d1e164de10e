"""The forecasters: one file each, one registry, one contract. Every module of this folder is found automatically."""

import importlib
import pkgutil

from tsprune.models.about import About
from tsprune.models.base import (
    ForecastConfig,
    Forecaster,
    create_model,
    list_models,
    need_all_registered,
    register,
)
from tsprune.models.blank import narrows, outline
from tsprune.models.checkpoint import load_checkpoint, save_checkpoint
from tsprune.models.manifest import read_about
from tsprune.models.randomness import pin_randomness
from tsprune.models.reference import load_reference_state

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
need_all_registered(__name__)

__all__ = [
    "About",
    "ForecastConfig",
    "Forecaster",
    "create_model",
    "list_models",
    "load_checkpoint",
    "load_reference_state",
    "narrows",
    "outline",
    "pin_randomness",
    "read_about",
    "register",
    "save_checkpoint",
]
