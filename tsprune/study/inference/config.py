"""Parameters of notebook 06."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from tsprune.report.text import listed
from tsprune.steps.runtimes import ON, RIVALS
from tsprune.study.base.config import LARGEST_SEED, MOST, ONCE, SOME, Positive, StudyConfig
from tsprune.training import device_type
from tsprune.typed import Between


class Inference(StudyConfig):
    """Notebook 06: what is pruning worth in time and memory? Nothing is trained."""

    densities: Annotated[list[Between], SOME, ONCE]
    """Share of prunable weights that are not zero, each tensor cut alike.

    On a GPU the lowest alone is timed: nothing there leaves single zeros out."""
    width_shares: Annotated[list[Between], ONCE]
    """Widths of narrower models as shares of d_model and d_ff; [] for none."""
    runtimes: Annotated[list[Literal[RIVALS]], ONCE]
    """Beside eager PyTorch, those that run on ``device``.

    On the CPU "sparse kernel", "ONNX Runtime", "PyTorch, bfloat16", "ONNX Runtime, int8"; on a GPU "PyTorch, bfloat16",
    "CUDA graph", "CUDA graph, bfloat16", "CUDA graph, bfloat16, 2:4"."""
    batch_sizes: Annotated[list[Positive], SOME, ONCE]
    """Windows forecast at once (the first paper's code: 3)."""
    threads: Positive
    """Threads of a forecast, in every runtime."""
    rounds: Annotated[int, Field(ge=1, le=MOST)]
    """Rounds in which everything is timed once; up to five times as many for a speedup not known to a tenth."""
    seeds: Annotated[list[Annotated[int, Field(ge=0, le=LARGEST_SEED)]], SOME, ONCE]
    """Random seeds; the first one draws the weights, on whose values no time depends."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """No effect here: forecasts drop nothing (the papers: 0.05)."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """No effect here: nothing is trained."""
    schedule: Literal["constant", "type1", "cosine"] = "constant"
    """No effect here: nothing is trained."""
    batch_size: Positive = 32
    """No effect here: nothing is trained."""
    epochs: Positive = 1
    """No effect here: nothing is trained."""
    eval_batch_size: Positive = 32
    """No effect here: nothing is tested."""
    device: Literal["auto", "cpu", "cuda"]
    """Where forecasts are timed: "cpu", "cuda", or "auto", which is cuda where there is one."""

    def runtimes_there(self) -> tuple[str, ...]:
        """Of ``runtimes`` those that run on the device."""
        return tuple(name for name in self.runtimes if name in ON[device_type(self.device)])

    @model_validator(mode="after")
    def _some_run_there(self) -> Self:
        if self.runtimes and not self.runtimes_there():
            where = device_type(self.device)
            ours, theirs = listed(self.runtimes), "; ".join(ON[where])
            raise ValueError(f"runtimes: none of {ours} runs on device = {where!r}; those that do: {theirs}")
        return self

    @model_validator(mode="after")
    def _narrower_ones_fit(self) -> Self:
        for share in self.width_shares:
            if self.narrower(share)["d_model"] == self.d_model:
                widths = f"{share} of d_model = {self.d_model}"
                raise ValueError(f"width_shares: {widths} gives no narrower model with n_heads = {self.n_heads}")
        return self

    def narrower(self, share: float) -> dict[str, Any]:
        """:meth:`hyper` with that share of the widths, d_model a multiple of the heads."""
        heads = max(1, round(share * self.d_model / self.n_heads))
        return self.hyper() | {"d_model": heads * self.n_heads, "d_ff": max(1, round(share * self.d_ff))}
