"""tsprune: how far can a Transformer forecaster be pruned, what does it cost, and what does it really gain?

From Python, in the order of use: ``tsprune.data`` (``load_table``, ``make_splits``), ``tsprune.models``
(``create_model``, ``save_checkpoint``), ``tsprune.training`` (``train``, ``evaluate``), ``tsprune.pruners``
(``magnitude_masks``, ``structured_prune``), ``tsprune.measure`` (``count_macs``, ``measure_latency``) and
``tsprune.deploy`` (``Forecaster``). Bad input raises ``tsprune.errors.UserError``. On the command line: ``tsprune
--help``.
"""

__version__ = "0.1.0"
