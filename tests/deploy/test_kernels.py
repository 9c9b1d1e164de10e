"""Products with sparse weights: the same numbers on every path, few bytes, and a word where none runs."""

import copy
import os
import stat

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from tsprune.deploy.kernels import ACTIVATIONS, DENSE, Average, Packed, Product, Products, best, compiled, load, paths
from tsprune.deploy.kernels.compiled import PATHS
from tsprune.errors import UserError
from tsprune.layers.decomposition import MovingAverage
from tsprune.processor import on_threads

AFTER = {"none": lambda x: x, "relu": F.relu, "gelu": F.gelu}


@pytest.fixture(scope="module", params=list(PATHS))
def path(request):
    """Each path. One that this processor lacks is compiled for what it has, with as many floats to a register of
    the source: gcc makes two or four registers of one, and what is written in C is tested all the same."""
    name, here = request.param, paths()
    with pytest.MonkeyPatch.context() as patch:
        if name not in here:
            flags = PATHS[here[0]].flags
            patch.setitem(PATHS, name, PATHS[name]._replace(flags=flags))
            patch.setattr(compiled, "paths", lambda: (name, *here))
        try:
            yield load(name).path
        except UserError as error:
            pytest.skip(f"no path runs here: {error}")
        finally:
            load.cache_clear()


@pytest.fixture(scope="module")
def plain():
    """The path that runs wherever one does."""
    try:
        return load("plain").path
    except UserError as error:
        pytest.skip(f"no path runs here: {error}")


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """A cache of the user's in which nothing is yet; its folder of kernels."""
    monkeypatch.setattr(compiled, "cache_folder", lambda: tmp_path / "cache")
    load.cache_clear()
    yield tmp_path / "cache" / "kernels"
    load.cache_clear()


def sparse(outputs, inputs, density, seed=0):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(outputs, inputs, generator=generator) / inputs**0.5
    return weight * (torch.rand(outputs, inputs, generator=generator) < density)


def test_a_product_by_hand(path):
    weight = torch.tensor([[0.0, 2.0, 0.0], [-1.0, 0.0, 3.0]])
    packed = Packed.of(weight, torch.tensor([0.5, -10.0]), "relu")
    assert packed.groups.tolist() == [[1, 1], [2, 1]] and packed.rows.tolist() == [0, 1]
    assert packed.columns.tolist() == [1, 0, 2] and packed.values.tolist() == [2, -1, 3]
    found = Product([packed], path)(torch.tensor([[1.0, 2.0, 3.0], [-1.0, -2.0, 5.0]]))
    assert found.tolist() == [[4.5, 0], [0, 6]]


@settings(max_examples=15)
@given(
    tokens=st.integers(0, 150),
    inputs=st.integers(1, 600),
    outputs=st.integers(1, 40),
    density=st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0]),
    activation=st.sampled_from(ACTIVATIONS),
    biased=st.booleans(),
)
def test_every_path_gives_what_torch_gives(path, tokens, inputs, outputs, density, activation, biased):
    weight = sparse(outputs, inputs, density)
    bias = torch.randn(outputs, generator=torch.Generator().manual_seed(1)) if biased else None
    x = torch.randn(tokens, inputs, generator=torch.Generator().manual_seed(2)) * 3
    found = Product([Packed.of(weight, bias, activation)], path)(x)
    wanted = AFTER[activation](F.linear(x.double(), weight.double(), None if bias is None else bias.double()))
    torch.testing.assert_close(found.double(), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("count", [2, 3])
def test_threads_share_the_tokens(path, count):
    weight, x = sparse(20, 64, 0.2), torch.randn(150, 64, generator=torch.Generator().manual_seed(5))
    product = Product([Packed.of(weight)], path)
    alone = product(x)
    with on_threads(count):
        assert torch.equal(product(x), alone) and torch.equal(product(x[:7]), alone[:7])


def test_two_layers_in_one_call(path):
    up, down, bias = sparse(200, 64, 0.2), sparse(30, 200, 0.1, seed=1), torch.linspace(-1, 1, 200)
    x = torch.randn(77, 64, generator=torch.Generator().manual_seed(3))
    found = Product([Packed.of(up, bias, "gelu"), Packed.of(down)], path)(x)
    torch.testing.assert_close(found, F.linear(F.gelu(F.linear(x, up, bias)), down), atol=1e-5, rtol=0)


@pytest.mark.parametrize("tokens", [1, 3, 130])
def test_stacks_have_rows_of_their_own(path, tokens):
    weights = torch.stack([sparse(6, 20, 0.3, seed) for seed in range(5)])
    x = torch.randn(tokens, 5, 20, generator=torch.Generator().manual_seed(4)).transpose(0, 1)
    found = Products([[Packed.of(weight)] for weight in weights], path)(x)
    torch.testing.assert_close(found, x @ weights.mT, atol=1e-5, rtol=0)
    with pytest.raises(UserError, match="layers of 2 different sizes"):
        Products([[Packed.of(weights[0])], [Packed.of(weights[0, :3])]], path)


def test_an_average_by_hand(path):
    x = torch.tensor([1.0, 3.0, 8.0])[None, :, None]
    average = Average(2, 1, path)  # of the two before, itself, and the one after
    assert average(x)[0, :, 0].tolist() == [(1 + 1 + 1 + 3) / 4, (1 + 1 + 3 + 8) / 4, (1 + 3 + 8 + 8) / 4]
    assert average(x, rest=True)[0, :, 0].tolist() == [1 - 1.5, 3 - 3.25, 8 - 5]


@settings(max_examples=15)
@given(
    batch=st.integers(0, 3),
    length=st.integers(1, 50),
    channels=st.integers(1, 150),
    kernel=st.integers(1, 60),
    rest=st.booleans(),
)
def test_every_path_averages_as_the_models_do(path, batch, length, channels, kernel, rest):
    x = torch.randn(batch, length, channels, generator=torch.Generator().manual_seed(6)) + 3
    found = Average(kernel // 2, (kernel - 1) // 2, path)(x, rest)
    torch.testing.assert_close(found.double(), MovingAverage(length, kernel)(x, rest=rest).double(), atol=1e-5, rtol=0)


def test_an_average_on_two_threads_and_of_numbers_at_a_distance(path):
    x = torch.randn(3, 150, 20, generator=torch.Generator().manual_seed(7)).mT
    average = Average(12, 12, path)
    alone = average(x)
    assert alone.shape == x.shape
    torch.testing.assert_close(alone, MovingAverage(20, 25)(x), atol=1e-6, rtol=0)
    with on_threads(2):
        assert torch.equal(average(x), alone)


def test_a_sign_that_torch_keeps_apart_is_read(path):
    numbers = torch.complex(torch.ones(6, 1), torch.arange(6.0)[:, None])
    x = numbers.conj().imag
    assert x.is_neg()
    product = Product([Packed.of(torch.ones(2, 1))], path)
    assert torch.equal(product(x), (-torch.arange(6.0)[:, None]).expand(6, 2))
    assert torch.equal(Packed.of(x).dense(), x)
    assert torch.equal(Average(0, 0, path)(x[None]), x[None].resolve_neg())


def test_what_an_average_refuses(plain):
    average = Average(1, 1, plain)
    with pytest.raises(UserError, match=r"takes \(batch, length, channels\), not \(2, 3\)"):
        average(torch.ones(2, 3))
    with pytest.raises(UserError, match=r"a moving average of the kernel takes float32 on the CPU, not torch\.float64"):
        average(torch.ones(1, 2, 3).double())
    with pytest.raises(UserError, match="no gradient"):
        average(torch.ones(1, 2, 3, requires_grad=True))


def test_activations_far_from_zero_and_of_what_is_no_number(path):
    x = torch.tensor([-1e30, -30.0, -5.0, -1e-30, -0.0, 0.0, 1e-30, 30.0, 1e30, torch.nan, -torch.inf, torch.inf])
    one = torch.ones(1, 1)
    relu, gelu = (Product([Packed.of(one, None, name)], path)(x[:, None])[:, 0] for name in ("relu", "gelu"))
    torch.testing.assert_close(relu, F.relu(x), atol=0, rtol=0, equal_nan=True)
    torch.testing.assert_close(gelu[:10], F.gelu(x[:10]), atol=1e-6, rtol=1e-6, equal_nan=True)
    assert gelu[11] == torch.inf  # where torch says NaN
    x = torch.linspace(-8, 8, 4001)
    gelu = Product([Packed.of(one, None, "gelu")], path)(x[:, None])[:, 0]
    torch.testing.assert_close(gelu.double(), F.gelu(x.double()), atol=1e-6, rtol=0)


def test_tokens_may_lie_at_any_distance(path):
    weight, x = sparse(9, 12, 0.5), torch.arange(40.0)
    windows = x.as_strided((8, 12), (4, 1))  # they overlap
    product = Product([Packed.of(weight)], path)
    torch.testing.assert_close(product(windows), F.linear(windows, weight))
    columns = torch.arange(24.0).reshape(12, 2).T  # numbers of a token at a distance: copied
    torch.testing.assert_close(product(columns), F.linear(columns, weight))


@settings(max_examples=25)
@given(inputs=st.integers(1, 3000), outputs=st.integers(1, 20), density=st.sampled_from([0.0, 0.003, 0.1, 1.0]))
def test_packing_loses_nothing(inputs, outputs, density):
    weight = sparse(outputs, inputs, density)
    packed = Packed.of(weight)
    assert torch.equal(packed.dense(), weight)
    assert packed.density == pytest.approx((weight != 0).float().mean().item())
    assert packed.width <= 65536 and packed.width * packed.blocks >= inputs


@pytest.mark.parametrize("shape", [(512, 512), (2048, 512), (512, 2048)])
@pytest.mark.parametrize("density", [0.02, 0.05, 0.1, 0.3])
def test_a_weight_takes_less_than_eight_and_a_half_bytes(shape, density):
    packed = Packed.of(sparse(*shape, density))
    assert 6 < packed.nbytes / len(packed.values) < 6.6


def test_copies_share_what_never_changes(plain):
    product = Product([Packed.of(sparse(4, 5, 0.5))], plain)
    assert copy.deepcopy(product) is product and copy.deepcopy(product.layers[0]) is product.layers[0]


def test_what_a_product_refuses(plain):
    product = Product([Packed.of(sparse(4, 5, 0.5))], plain)
    for x in (torch.ones(2, 6), torch.ones(5), torch.ones(2, 2, 5)):
        with pytest.raises(UserError, match=r"takes 1 x \(tokens, 5\), not \(1, "):
            product(x)
    for x in (torch.ones(2, 5).double(), torch.ones(2, 5, device="meta")):
        with pytest.raises(UserError, match="takes float32 on the CPU, not "):
            product(x)
    x = torch.ones(2, 5, requires_grad=True)
    with pytest.raises(UserError, match="no gradient"):
        product(x)
    with torch.no_grad():
        assert product(x).shape == (2, 4)
    with pytest.raises(UserError, match="gives 4 features, the next one takes 5"):
        Product([*product.layers, *product.layers], plain)
    with pytest.raises(UserError, match=r"avx51.*avx512"):
        Product(product.layers, "avx51")


def test_what_packing_refuses():
    with pytest.raises(UserError, match=r"gellu.*gelu"):
        Packed.of(torch.ones(2, 2), None, "gellu")
    for weight, bias in (
        (torch.ones(2), None),
        (torch.ones(2, 2).double(), None),
        (torch.ones(2, 2), torch.ones(1, 2)),
    ):
        with pytest.raises(UserError, match="expected float32 of"):
            Packed.of(weight, bias)


def test_the_best_path_is_the_first_that_the_processor_has(plain):
    assert best() == (paths()[0], None) and str(best()) == paths()[0]
    assert list(paths()) == [name for name in PATHS if name in paths()] and "plain" in paths()


def test_a_kernel_is_compiled_once_and_kept(plain, fresh, monkeypatch):
    load("plain")
    (kept,) = fresh.iterdir()
    assert kept.name.startswith("sparse-plain-") and stat.S_IMODE(kept.stat().st_mode) == 0o600
    load.cache_clear()
    monkeypatch.setattr(compiled.shutil, "which", lambda name: None)
    assert load("plain").lanes == 4
    kept.chmod(0o622)  # somebody else may have written it
    load.cache_clear()
    with pytest.raises(UserError, match=r"found no C compiler \(gcc, cc\)"):
        load("plain")
    assert best().path == DENSE and str(best()) == "dense (found no C compiler (gcc, cc))"


def test_where_nothing_can_be_kept_it_is_compiled_for_the_process(plain, fresh):
    fresh.parent.write_text("no folder")
    product = Product([Packed.of(torch.ones(1, 1))], "plain")
    assert product(torch.ones(1, 1)).item() == 1 and fresh.parent.is_file()


def test_a_compiler_that_fails_is_told_in_a_line(fresh, tmp_path, monkeypatch):
    broken = tmp_path / "gcc"
    broken.write_text("#!/bin/sh\necho 'sparse.c:1: error: no room on this disk' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + os.environ["PATH"])
    with pytest.raises(UserError, match=r"^gcc failed: sparse.c:1: error: no room on this disk$"):
        load("plain")
    assert not fresh.exists()
    broken.write_text("#!/bin/sh\nfor last; do :; done\necho no library > $last\n")
    with pytest.raises(UserError, match="the compiled kernel cannot be loaded: "):
        load("plain")


def test_a_processor_that_lacks_a_path_and_another_system(fresh, monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert paths() == ("plain",)
    with pytest.raises(UserError, match="this processor has no avx2; it has plain"):
        load("avx2")
    monkeypatch.setattr(compiled.sys, "platform", "darwin")
    with pytest.raises(UserError, match="the kernel runs only on Linux, this is darwin"):
        load("plain")
