"""What every forecaster has in common: its config, its call, its place in the registry."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

import torch
from pydantic import Field, model_validator
from torch import nn

from tsprune.data.calendar import field_names
from tsprune.errors import UserError, unknown
from tsprune.layers.axes import Axis
from tsprune.typed import Config

# Upper bounds leave room for far more than was ever forecast with; they stop a slip or a forged file before it takes
# the machine's memory.
Variables = Annotated[int, Field(ge=1, le=100_000)]
Steps = Annotated[int, Field(ge=1, le=1_000_000)]
Width = Annotated[int, Field(ge=1, le=1 << 14)]
Layers = Annotated[int, Field(ge=1, le=256)]
Seed = Annotated[int, Field(ge=-(1 << 63), lt=1 << 64)]  # what a generator of torch takes

MOST_WEIGHTS = 1 << 33  # of one kind in a model: 32 GiB in float32
MOST_IN_TABLE = 1 << 28  # numbers in a constant table: 1 GiB in float32

INPUTS = ("x_enc", "x_mark_enc", "x_dec", "x_mark_dec")


class ForecastConfig(Config):
    """The shared settings; every model accepts them all, and names the ones it has no use for in ``unused_config``."""

    task_name: Literal["long_term_forecast"] = "long_term_forecast"
    enc_in: Variables = 7  # variables of the encoder's input
    dec_in: Variables = 7  # variables of the decoder's input
    c_out: Variables = 7  # variables forecast
    seq_len: Steps = 96  # look-back, time steps
    label_len: Annotated[int, Field(ge=0, le=1_000_000)] = 48  # known steps at the start of the decoder's input
    pred_len: Steps = 96  # horizon, time steps
    d_model: Width = 512  # width of the stream
    n_heads: Width = 8
    e_layers: Layers = 2  # encoder layers
    d_layers: Layers = 1  # decoder layers
    d_ff: Annotated[int, Field(ge=1, le=1 << 16)] = 2048  # width inside a feed-forward block
    factor: Annotated[int, Field(ge=1, le=10_000)] = 3  # sampling or delay factor; routers in Crossformer
    moving_avg: Annotated[int, Field(ge=1, le=10_001)] = 25  # kernel of the trend, time steps
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    embed: Literal["timeF"] = "timeF"  # calendar features as numbers in [-0.5, 0.5]
    freq: Literal["h", "t", "s", "d", "b", "w", "m", "a"] = "h"  # decides the number of calendar features
    activation: Literal["gelu", "relu"] = "gelu"  # of the feed-forward blocks; gelu is the exact one
    distil: bool = True  # Informer: halve the length between encoder layers

    @model_validator(mode="after")
    def _check(self) -> Self:
        if problems := list(self.problems()):
            name = type(self).__name__.removesuffix("Config")
            raise UserError("\n".join(f"{name}: {problem}" for problem in problems))
        return self

    def problems(self) -> Iterator[str]:
        """One line per combination of values that no model of this config can be built with."""
        if self.label_len > self.seq_len:
            yield f"label_len ({self.label_len}) must not exceed seq_len ({self.seq_len})"
        layers = self.e_layers + self.d_layers
        words = f"{layers} layers (e_layers, d_layers) of d_model {self.d_model} and d_ff {self.d_ff}"
        yield from weight_problems(words, layers * self.d_model * (4 * self.d_model + 2 * self.d_ff))

    @property
    def marks(self) -> int:
        """Number of calendar features (hourly: hour, weekday, day of month, day of year)."""
        return len(field_names(self.freq))

    @property
    def dec_len(self) -> int:
        """Length of the decoder's input."""
        return self.label_len + self.pred_len


def all_but(*names: str) -> frozenset[str]:
    """The shared settings except ``names``: the ``unused_config`` of a model that uses few."""
    _need_known("all_but", "setting", names, ForecastConfig.model_fields)
    return frozenset(ForecastConfig.model_fields) - {"task_name", "embed", *names}


def _need_known(where: str, what: str, names: Iterable[str], allowed: Iterable[str]) -> None:
    allowed = list(allowed)
    for name in names:
        if name not in allowed:
            raise UserError(f"{where}: {unknown(what, name, allowed)}")


def weight_problems(words: str, count: int) -> Iterator[str]:
    """For what ``words`` says, if it has too many weights."""
    if count > MOST_WEIGHTS:
        yield f"{words}: {count:.1e} weights, at most {MOST_WEIGHTS:.1e}"


def table_problems(words: str, count: int) -> Iterator[str]:
    """For the constant table that ``words`` says, if it has too many numbers."""
    if count > MOST_IN_TABLE:
        yield f"{words}: a table of {count:.1e} numbers, at most {MOST_IN_TABLE:.1e}"


def square_problems(config: ForecastConfig) -> Iterator[str]:
    """For models with constant tables of the square of a length: causal masks, moving averages."""
    yield from table_problems(f"seq_len ({config.seq_len}) squared", config.seq_len**2)
    yield from table_problems(f"label_len + pred_len ({config.dec_len}) squared", config.dec_len**2)


def head_problems(config: ForecastConfig) -> Iterator[str]:
    """For models with attention heads."""
    if config.d_model % config.n_heads:
        yield f"d_model ({config.d_model}) must be a multiple of n_heads ({config.n_heads})"


def same_channel_problems(config: ForecastConfig, *names: str) -> Iterator[str]:
    """For models that forecast the variables they see: ``names`` must equal enc_in."""
    for name in names:
        if getattr(config, name) != config.enc_in:
            yield f"{name} ({getattr(config, name)}) must equal enc_in ({config.enc_in}), the variables forecast"


class Forecaster(nn.Module):
    """Base class. ``model(x_enc, x_mark_enc, x_dec, x_mark_dec)`` gives ``(batch, pred_len, c_out)``.

    ========== ====================================== ===============================================
    x_enc      (batch, seq_len, enc_in)               the look-back
    x_mark_enc (batch, seq_len, marks)                its calendar features
    x_dec      (batch, label_len + pred_len, dec_in)  last label_len known values, then zeros
    x_mark_dec (batch, label_len + pred_len, marks)   calendar features of that span
    ========== ====================================== ===============================================

    Inputs that are not in :attr:`uses` may be None; a used one of another shape, or of another precision than the
    weights, raises :class:`UserError`. A subclass has a :class:`ForecastConfig` subclass as ``Config`` and defines
    :meth:`forecast`.
    """

    name: ClassVar[str]
    Config: ClassVar[type[ForecastConfig]] = ForecastConfig
    trainable: ClassVar[bool] = True
    unused_config: ClassVar[frozenset[str]] = frozenset()  # shared settings without effect on this model
    uses: ClassVar[tuple[str, ...]] = INPUTS
    own_state: ClassVar[tuple[str, ...]] = ()  # patterns of names in the state_dict that the reference does not save
    reference_rules: ClassVar[tuple["Rule", ...]] = ()  # Time-Series-Library's names to ours: see models.reference

    def __init__(self, config: ForecastConfig):
        super().__init__()
        self.config = config

    def input_shapes(self) -> dict[str, tuple[int, int]]:
        """(length, width) of the four inputs."""
        c = self.config
        return {
            "x_enc": (c.seq_len, c.enc_in),
            "x_mark_enc": (c.seq_len, c.marks),
            "x_dec": (c.dec_len, c.dec_in),
            "x_mark_dec": (c.dec_len, c.marks),
        }

    def forward(
        self,
        x_enc: torch.Tensor,
        x_mark_enc: torch.Tensor | None = None,
        x_dec: torch.Tensor | None = None,
        x_mark_dec: torch.Tensor | None = None,
    ) -> torch.Tensor:
        shapes, batch = self.input_shapes(), None
        for name, given in zip(INPUTS, (x_enc, x_mark_enc, x_dec, x_mark_dec), strict=True):
            if name not in self.uses:
                continue
            if given is not None and not isinstance(given, torch.Tensor):
                raise UserError(
                    f"{self.name}: {name} is a {type(given).__name__}, not a tensor; make one with torch.as_tensor"
                )
            if given is None or tuple(given.shape[1:]) != shapes[name]:
                seen = None if given is None else tuple(given.shape)
                length, width = shapes[name]
                raise UserError(f"{self.name}: {name} has shape {seen}, expected (batch, {length}, {width})")
            batch = given.shape[0] if batch is None else batch
            if given.shape[0] != batch:  # one of 1 would be taken for all of them, unasked
                raise UserError(
                    f"{self.name}: {name} has {given.shape[0]} windows, but the inputs before it have {batch}"
                )
            self._need_precision(name, given)
        y = self.forecast(x_enc, x_mark_enc, x_dec, x_mark_dec)
        if y.shape[1:] != (self.config.pred_len, self.config.c_out):  # a loss would stretch a length of 1, unasked
            expected = f"(batch, {self.config.pred_len}, {self.config.c_out}): pred_len and c_out"
            raise UserError(f"{self.name}: forecast gives shape {tuple(y.shape)}, expected {expected}")
        return y

    def _need_precision(self, name: str, given: torch.Tensor) -> None:
        """Refuse an input of another precision than the weights, unless autocast brings them together."""
        first = next(self.parameters(), None)
        if first is None or given.dtype == first.dtype:
            return
        autocast = not given.is_meta and torch.is_autocast_enabled(given.device.type)
        own = {weight.dtype for weight in self.parameters()}
        if not autocast and given.dtype not in own:
            fits = f"{name}.to({first.dtype})"  # a model is of no whole numbers
            how = f"one of them: {fits} or model.to({given.dtype})" if given.is_floating_point() else f"it: {fits}"
            raise UserError(
                f"{self.name}: {name} is {given.dtype}, the weights are {', '.join(sorted(map(str, own)))}; "
                f"convert {how}"
            )

    def forecast(self, x_enc, x_mark_enc, x_dec, x_mark_dec) -> torch.Tensor:
        """The model itself; inputs are checked."""
        raise NotImplementedError

    @classmethod
    def regroup_reference(cls, state: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """Before the rules: join tensors of a reference ``state_dict`` where ours is one and theirs are many."""
        return state

    def output_layers(self) -> list[nn.Module]:
        """Layers whose outputs are the forecast's variables or horizon: a pruner keeps their output width."""
        return []

    def streams(self) -> list[Axis]:
        """Widths that run through several layers; a subclass declares them. See :meth:`axes`."""
        return []

    def axes(self) -> list[Axis]:
        """Every width that a pruner may narrow: the model's streams, then what its layers declare under their names."""
        found = self.streams()
        for name, module in self.named_modules():
            if module is not self and hasattr(module, "axes"):
                found += [replace(axis, name=f"{name}.{axis.name}") for axis in module.axes()]
        return found

    def extra_repr(self) -> str:
        return f"name={self.name!r}"


Rule = tuple[str, str | None, Callable[[torch.Tensor], torch.Tensor] | None]
"""Pattern of reference names, our name (None: never used, dropped), change of layout (None: none)."""
Model = TypeVar("Model", bound=type[Forecaster])

_registry: dict[str, type[Forecaster]] = {}


def register(name: str) -> Callable[[Model], Model]:
    """Class decorator: enter a forecaster in the registry under ``name``.

    A class that could not be used raises :class:`UserError`, one line with its place.
    """
    if not isinstance(name, str):
        raise UserError(f"{name.__module__}.{name.__name__}: register needs a name, as in @register({name.__name__!r})")

    def enter(cls: Model) -> Model:
        where = f"{cls.__module__}.{cls.__name__}"
        if name in _registry:
            there = _registry[name]
            raise UserError(f"{where}: two forecasters are called {name!r}; {there.__module__}.{there.__name__} is one")
        if not issubclass(cls, Forecaster) or cls.forecast is Forecaster.forecast:
            raise UserError(f"{where}: a forecaster is a subclass of Forecaster that defines forecast")
        if not (isinstance(cls.Config, type) and issubclass(cls.Config, ForecastConfig)):
            raise UserError(f"{where}: Config must be ForecastConfig or a subclass of it")
        if isinstance(cls.uses, str):
            raise UserError(f"{where}: uses must be a tuple, such as ({cls.uses!r},)")
        _need_known(f"{where}: uses", "input", cls.uses, INPUTS)
        _need_known(f"{where}: unused_config", "setting", cls.unused_config, ForecastConfig.model_fields)
        cls.name = name
        _registry[name] = cls
        return cls

    return enter


def need_all_registered(package: str) -> None:
    """Raise :class:`UserError` for a forecaster in a module of ``package`` that was left out of the registry: nothing
    would find it. A class that others derive from need not be in there."""
    every = [Forecaster]
    for cls in every:
        every += (below := cls.__subclasses__())
        where, own = f"{cls.__module__}.{cls.__name__}", cls.__module__.startswith(f"{package}.")
        if own and not below and "name" not in vars(cls):
            raise UserError(f"{where}: a forecaster without @register({cls.__name__!r}) above it")


def model_class(name: str) -> type[Forecaster]:
    """The class registered under ``name``; an unknown name raises :class:`UserError` with the closest one."""
    if name not in _registry:
        raise UserError(unknown("model", name, _registry))
    return _registry[name]


def list_models(trainable: bool | None = None) -> list[str]:
    """Names in the registry, sorted; only those with (True) or without (False) parameters to train."""
    return sorted(n for n, cls in _registry.items() if trainable is None or cls.trainable == trainable)


def create_model(name: str, **config: Any) -> Forecaster:
    """Build a forecaster: ``create_model("Autoformer", d_model=64, n_heads=4)``. Names not given have their defaults.

    Initial weights come from torch's global generator. An unknown name or key (with the closest match), a wrong type
    or range raise :class:`UserError`, one line per problem.
    """
    cls = model_class(name)
    return cls(cls.Config.parse(config, where=name))
