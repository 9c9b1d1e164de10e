"""Models outside the project: exported to ONNX, and forecasting in the data's own units.

A forecast needs onnxruntime, numpy and pandas; torch is not imported before an export, or a checkpoint, asks for it.
"""

from tsprune.deploy.forecaster import Forecaster

__all__ = ["Forecaster"]
