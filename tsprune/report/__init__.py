"""From tidy tables to figures, tables, words and HTML. Nothing here computes a result.

What a notebook calls; pages and their index (:mod:`tsprune.report.html`, :mod:`tsprune.report.index`) need nbconvert,
which a notebook's kernel should not have to load.
"""

from tsprune.report.entsoe_scale import country_figure, scale_figure, week_figure
from tsprune.report.entsoe_scale_words import country_table, difference_table, scale_table, scale_verdict
from tsprune.report.failures import failures_table
from tsprune.report.figures import layer_figure, style, sweep_figure
from tsprune.report.fine_tuning import fine_tuning_figure, recovery_figure
from tsprune.report.fine_tuning_words import fine_tuning_table, fine_tuning_verdict, tuning_comparisons_table
from tsprune.report.right_sizing import comparison_figure, data_map_figure, pareto_figure
from tsprune.report.right_sizing_words import (
    choices_table,
    comparison_table,
    right_sizing_verdict,
    sizes_table,
)
from tsprune.report.sparse_training import (
    ablation_figure,
    pals_sensitivity_figure,
    sparse_training_figure,
    trajectory_figure,
)
from tsprune.report.sparse_training_tables import (
    ablation_table,
    agreement_table,
    horizon_table,
    overhead_table,
    sparse_training_table,
)
from tsprune.report.sparse_training_words import sparse_training_verdict
from tsprune.report.structures import (
    latency_table,
    structure_figure,
    structure_table,
    structure_words,
    target_table,
)
from tsprune.report.tables import (
    limits_table,
    naive_table,
    protocol_table,
    published_table,
    sweep_table,
)
from tsprune.report.why import prediction_figure, sensitivity_figure
from tsprune.report.why_words import predictor_table, why_table, why_verdict
from tsprune.report.words import banner, describe_parameters, headline, verdict

__all__ = [
    "ablation_figure",
    "ablation_table",
    "agreement_table",
    "banner",
    "choices_table",
    "comparison_figure",
    "comparison_table",
    "country_figure",
    "country_table",
    "data_map_figure",
    "describe_parameters",
    "difference_table",
    "failures_table",
    "fine_tuning_figure",
    "fine_tuning_table",
    "fine_tuning_verdict",
    "headline",
    "horizon_table",
    "latency_table",
    "layer_figure",
    "limits_table",
    "naive_table",
    "overhead_table",
    "pals_sensitivity_figure",
    "pareto_figure",
    "prediction_figure",
    "predictor_table",
    "protocol_table",
    "published_table",
    "recovery_figure",
    "right_sizing_verdict",
    "scale_figure",
    "scale_table",
    "scale_verdict",
    "sensitivity_figure",
    "sizes_table",
    "sparse_training_figure",
    "sparse_training_table",
    "sparse_training_verdict",
    "structure_figure",
    "structure_table",
    "structure_words",
    "style",
    "sweep_figure",
    "sweep_table",
    "target_table",
    "trajectory_figure",
    "tuning_comparisons_table",
    "verdict",
    "week_figure",
    "why_table",
    "why_verdict",
]
