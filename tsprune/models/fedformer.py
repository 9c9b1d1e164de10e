"""FEDformer: the Autoformer skeleton with learned maps between Fourier modes."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Literal

import torch
from pydantic import BeforeValidator

from tsprune.errors import UserError
from tsprune.layers.axes import Axis, Slot
from tsprune.layers.fourier import FourierBlock, FourierCrossBlock, FourierLayer, select_modes
from tsprune.models.base import (
    ForecastConfig,
    Seed,
    Steps,
    head_problems,
    register,
    same_channel_problems,
    square_problems,
    weight_problems,
)
from tsprune.models.encoder_decoder import DecompositionEncoderDecoder
from tsprune.models.reference import DECODER_RULES, DECOMPOSITION_RULES, EMBEDDING_RULES, ENCODER_RULES, WEIGHT
from tsprune.typed import as_tuple

Frequencies = Annotated[tuple[int, ...], BeforeValidator(as_tuple)]


class FEDformerConfig(ForecastConfig):
    version: Literal["fourier"] = "fourier"  # the paper's other version, wavelets, is not built
    mode_select: Literal["random", "low"] = "random"  # which Fourier modes: drawn, or the lowest
    modes: Steps = 32  # how many, at most (FEDformer's own repository: 64)
    mode_seed: Seed = 0  # of the generator that draws them
    chosen_modes: dict[str, Frequencies] | None = None  # explicit: encoder_self, decoder_self, cross_q, cross_kv
    cross_activation: Literal["tanh", "softmax"] = "tanh"
    exact_bins: bool = False  # False: results at the lowest frequencies, as published; True: where they were taken
    transpose_heads: bool = False  # False: the published code, which mixes time and heads; True: the paper
    unused_projections: bool = False  # True: create the projections that the published model never uses

    def problems(self):
        yield from super().problems()
        yield from head_problems(self)
        yield from square_problems(self)
        modes = min(self.modes, max(self.seq_len, self.dec_len) // 2)
        yield from weight_problems(
            f"{modes} modes of d_model {self.d_model}", 6 * modes * self.d_model**2 // self.n_heads
        )
        yield from same_channel_problems(self, "dec_in", "c_out")
        if min(self.block_lengths().values()) < 2:
            yield f"seq_len ({self.seq_len}) and pred_len ({self.pred_len}) leave a spectrum without modes"
        elif self.chosen_modes is not None:
            yield from self.mode_problems()

    def block_lengths(self) -> dict[str, int]:
        """The length each block takes its modes from; the decoder's assumes label_len = seq_len // 2, as published."""
        decoder = self.seq_len // 2 + self.pred_len
        return {"encoder_self": self.seq_len, "decoder_self": decoder, "cross_q": decoder, "cross_kv": self.seq_len}

    def mode_problems(self):
        lengths = self.block_lengths()
        if self.chosen_modes.keys() != lengths.keys():
            yield f"chosen_modes has {', '.join(self.chosen_modes)}, needs {', '.join(lengths)}"
            return
        for name, chosen in self.chosen_modes.items():
            available = lengths[name] // 2
            count = min(self.modes, available)
            if (
                sorted(set(chosen)) != list(chosen)
                or len(chosen) != count
                or not 0 <= chosen[0] <= chosen[-1] < available
            ):
                yield f"chosen_modes[{name!r}] must be {count} ascending numbers from 0 to {available - 1}"

    def select(self) -> dict[str, Sequence[int]]:
        """The modes of each block."""
        if self.chosen_modes is not None:
            return dict(self.chosen_modes)
        generator = torch.Generator().manual_seed(self.mode_seed)
        return {
            name: select_modes(length, self.modes, self.mode_select, generator)
            for name, length in self.block_lengths().items()
        }


@register("FEDformer")
class FEDformer(DecompositionEncoderDecoder):
    """Zhou et al. 2022 (arXiv 2201.12740), Fourier version. Gives the numbers of Time-Series-Library for the same
    modes.

    One Fourier block is shared by all encoder layers, one by all decoder layers, one by all cross-attentions. The
    published code mixes time and heads after each block and moves the results to the lowest frequencies: the default
    here too; ``transpose_heads`` and ``exact_bins`` are the paper's. Of its own repository differ: a position table is
    added, tanh acts on real and imaginary parts apart, 32 modes instead of 64. The decoder starts from the decomposed
    look-back, not from ``x_dec``. Has no use for ``factor`` and ``distil``.
    """

    Config = FEDformerConfig
    unused_config = frozenset({"factor", "distil"})

    def __init__(self, config: FEDformerConfig):
        super().__init__(config)
        c = config
        heads = (c.n_heads, c.d_model // c.n_heads)
        modes = c.select()
        self.encoder_block = FourierBlock(*heads, c.seq_len, modes["encoder_self"], c.exact_bins)
        self.decoder_block = FourierBlock(*heads, c.dec_len, modes["decoder_self"], c.exact_bins)
        self.cross_block = FourierCrossBlock(
            *heads, c.dec_len, c.seq_len, modes["cross_q"], modes["cross_kv"], c.cross_activation
        )

        def layer(uses_keys: bool = False) -> FourierLayer:
            return FourierLayer(c.d_model, c.n_heads, uses_keys, c.transpose_heads, c.unused_projections)

        self.make_skeleton(layer, layer, partial(layer, uses_keys=True), positions=True)

    def shared_blocks(self):
        return (self.encoder_block,), (self.decoder_block,), (self.cross_block,)

    def pin_modes(self, modes: Mapping[str, Sequence[int]]) -> None:
        """Choose the modes of all blocks; they become part of the config and so of every checkpoint.

        ``modes``: ascending frequencies under ``encoder_self``, ``decoder_self``, ``cross_q`` and ``cross_kv``, as many
        as there are weights; else :class:`UserError`.
        """
        chosen = {name: tuple(frequencies) for name, frequencies in modes.items()}
        config = self.Config.parse(self.config.model_dump() | {"chosen_modes": chosen}, where=self.name)
        blocks = {"encoder_self": self.encoder_block, "decoder_self": self.decoder_block, "cross_q": self.cross_block}
        for name, block in blocks.items():
            if (left := len(block.weights.real)) != len(chosen[name]):  # each mode has weights, which a pruner may take
                raise UserError(
                    f"{self.name}: {name} has weights for {left} modes, not for {len(chosen[name])}; pin modes before "
                    "pruning"
                )
        self.config = config
        self.encoder_block.set_modes(chosen["encoder_self"])
        self.decoder_block.set_modes(chosen["decoder_self"])
        self.cross_block.set_modes(chosen["cross_q"], chosen["cross_kv"])

    def streams(self):
        found = super().streams()
        users = {
            "encoder_block": [layer.attention for layer in self.encoder.layers],
            "decoder_block": [layer.self_attention for layer in self.decoder.layers],
            "cross_block": [layer.cross_attention for layer in self.decoder.layers],
        }
        for name, layers in users.items():
            found += self.block_axes(name, layers)
        return found

    def block_axes(self, name: str, layers: list[FourierLayer]) -> list[Axis]:
        """Of a Fourier block and the layers that share it: modes, a head's features before it and after it."""
        block = self.get_submodule(name)
        before = [slot for layer in layers for slot in layer.projected()]
        after = [slot for layer in layers for slot in layer.merged()]
        written = ((block.weights, "head_dim"), *((layer, "head_dim") for layer in layers))
        mixed = "time and features are mixed as published: without a feature every time step would move"
        cross = isinstance(block, FourierCrossBlock)
        found = [
            Axis(f"{name}.modes", block.mode_slots(), writes=((block, "query_modes" if cross else "modes"),)),
            Axis(f"{name}.channels", [*before, *block.weights.along(2)], writes=((block, "head_dim"),)),
            Axis(
                f"{name}.channels_out",
                [*block.weights.along(3), *after],
                writes=written,
                fixed=None if self.config.transpose_heads else mixed,
            ),
        ]
        if cross:
            keys = [Slot(block, "key_dft", 0, outer=2)]
            unranked = "no weight belongs to a single mode of the keys"
            found.append(Axis(f"{name}.key_modes", keys, writes=((block, "key_modes"),), fixed=unranked))
        return found

    @property
    def reference_rules(self):
        blocks = tuple(
            (rf"{place}\.inner_correlation\.weights{number}", f"{block}.weights.{part}", modes_first)
            for place, block in (
                (r"encoder\.attn_layers\.\d+\.attention", "encoder_block"),
                (r"decoder\.layers\.\d+\.self_attention", "decoder_block"),
                (r"decoder\.layers\.\d+\.cross_attention", "cross_block"),
            )
            for number, part in ((1, "real"), (2, "imag"))
        )
        unused = () if self.config.unused_projections else UNUSED_RULES
        return unused + blocks + DECOMPOSITION_RULES + EMBEDDING_RULES + ENCODER_RULES + DECODER_RULES


UNUSED_RULES = (
    (rf"encoder\.attn_layers\.\d+\.attention\.(key|value)_projection\.{WEIGHT}", None, None),
    (rf"decoder\.layers\.\d+\.self_attention\.(key|value)_projection\.{WEIGHT}", None, None),
    (rf"decoder\.layers\.\d+\.cross_attention\.value_projection\.{WEIGHT}", None, None),
)


def modes_first(weight: torch.Tensor) -> torch.Tensor:
    """The reference's ``(head, in, out, mode)`` as ``(mode, head, in, out)``."""
    return weight.permute(3, 0, 1, 2)
