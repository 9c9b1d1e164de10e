"""The forecasts that any model must beat. No parameters, the same call."""

import torch

from tsprune.models.base import ForecastConfig, Forecaster, Steps, all_but, register, same_channel_problems

UNUSED = all_but("enc_in", "c_out", "seq_len", "pred_len")


class RepeatLastConfig(ForecastConfig):
    def problems(self):
        yield from super().problems()
        yield from same_channel_problems(self, "c_out")


class SeasonalNaiveConfig(RepeatLastConfig):
    season: Steps = 24  # time steps after which the series repeats

    def problems(self):
        yield from super().problems()
        if self.season > self.seq_len:
            yield f"season ({self.season}) must not exceed seq_len ({self.seq_len})"


@register("RepeatLast")
class RepeatLast(Forecaster):
    """Every step of the horizon is the last value seen. Uses only ``enc_in``, ``c_out`` and the lengths."""

    Config = RepeatLastConfig
    trainable = False
    unused_config = UNUSED
    uses = ("x_enc",)

    def forecast(self, x_enc, x_mark_enc, x_dec, x_mark_dec) -> torch.Tensor:
        return x_enc[:, -1:].repeat(1, self.config.pred_len, 1)


@register("SeasonalNaive")
class SeasonalNaive(Forecaster):
    """Step h of the horizon is the value one season before it, or the last such value seen.

    Uses ``enc_in``, ``c_out``, ``seq_len``, ``pred_len`` and its own ``season`` only.
    """

    Config = SeasonalNaiveConfig
    trainable = False
    unused_config = UNUSED
    uses = ("x_enc",)

    def __init__(self, config: SeasonalNaiveConfig):
        super().__init__(config)
        steps = torch.arange(config.pred_len, device="cpu") % config.season
        self.register_buffer("source", config.seq_len - config.season + steps, persistent=False)

    def forecast(self, x_enc, x_mark_enc, x_dec, x_mark_dec) -> torch.Tensor:
        return x_enc.index_select(1, self.source)
