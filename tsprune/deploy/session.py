"""A network in ONNX Runtime, on the CPU; if the runtime cannot run it, its reason in one line."""

import os
from collections.abc import Mapping

import numpy as np

from tsprune.deploy.packages import need
from tsprune.errors import UserError
from tsprune.shown import plain

OUTPUT = "forecast"
_SILENT = 4  # its log goes to stderr; the same words come as an exception

UNFUSED = ("SkipLayerNormFusion",)
"""Rewrites of a network that the runtime is told to leave out: on a CPU a sum and its norm merged into one operator
take longer than the two (``benchmarks/fusion.py``)."""


class Session:
    """An ONNX file's bytes, ready to run. ``name``: for messages; ``threads``: None, as many as the runtime chooses.
    ``inputs``: the names that it takes. Raises :class:`UserError` for what cannot be run."""

    def __init__(self, content: bytes, name: str, threads: int | None = None):
        runtime = need("onnxruntime")
        self.name = name
        options = runtime.SessionOptions()
        options.log_severity_level = _SILENT
        if threads is not None:
            options.intra_op_num_threads = threads
        # A network may name files beside it that hold its weights; ours never do, and no other file is to be read.
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
        try:
            self._session = runtime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"], disabled_optimizers=[*UNFUSED]
            )
        except Exception as error:  # the runtime's own have no base of theirs
            raise self._refusal(error) from None
        self.inputs = tuple(given.name for given in self._session.get_inputs())

    def run(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """The forecast of named arrays. Raises :class:`UserError` for other names and shapes than the network has,
        and where its forecast is no array."""
        try:
            found = self._session.run([OUTPUT], dict(inputs))[0]
        except Exception as error:  # as above
            raise self._refusal(error) from None
        if not isinstance(found, np.ndarray):  # a list of them, or none: ONNX has outputs of other kinds
            raise UserError(f"{self.name}: its output {OUTPUT!r} is not an array of numbers")
        return found

    def _refusal(self, error: Exception) -> UserError:
        return UserError(f"{self.name}: ONNX Runtime cannot run it: {plain(str(error), 300)}")
