"""The answers of study 01 in words, with the run's own numbers: a first sentence to repeat, then the details."""

from tsprune.study.pruning_sweep.words.layer import layers
from tsprune.study.pruning_sweep.words.limits import verdict
from tsprune.study.pruning_sweep.words.protocol import authors, ends
from tsprune.study.pruning_sweep.words.score import scores
from tsprune.study.pruning_sweep.words.structure import structures

__all__ = ["authors", "ends", "layers", "scores", "structures", "verdict"]
