"""What a file of parameters says is read one way, as it looks, or refused in one line."""

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tsprune.batch.strict_yaml import MOST_VALUES, parse_typed, parse_yaml, read_parameters
from tsprune.errors import UserError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("5e-4", 0.0005),
        ("-2.5E6", -2.5e6),
        (".5e1", 5.0),
        ("0.001", 0.001),
        ("10", 10),
        ("-3", -3),
        ("0", 0),
        ("2024-01-01", "2024-01-01"),
        ("true", True),
        ("'010'", "010"),
        ("e3", "e3"),
        ("1e", "1e"),
        ("[1, 0.5, layer]", [1, 0.5, "layer"]),
        ("", None),
    ],
)
def test_a_value_is_what_it_looks_like(text, value):
    read = parse_yaml(text, "here")
    assert (read, type(read)) == (value, type(value))


@given(st.floats(allow_nan=False) | st.integers(-(10**80), 10**80))
def test_every_number_comes_back_as_python_writes_it(number):
    text = repr(number).replace("inf", ".inf")
    read = parse_yaml(text, "here")
    assert (read, type(read)) == (number, type(number))


@given(st.dictionaries(st.text("abcxyz_", min_size=1), st.lists(st.floats(0, 1) | st.booleans() | st.integers())))
def test_what_is_written_is_read_as_papermills_loader_reads_it(values):
    text = yaml.safe_dump(values)
    assert parse_yaml(text, "here") == yaml.safe_load(text) == values


def test_no_number_is_read_as_nothing():
    assert math.isnan(parse_yaml(".nan", "here"))


@pytest.mark.parametrize("text", ["010", "0x10", "0b11", "1_000", "1:30", "1:30.5", "9" * 5000])
def test_a_number_that_could_mean_another_is_refused(text):
    with pytest.raises(UserError) as error:
        parse_yaml(f"a: 1\nb: {text}\n", "here")
    assert str(error.value).startswith("here: line 2: ")
    assert "is not a plain number" in str(error.value)
    assert len(str(error.value)) < 250


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 1\n", "line 3: 'a' appears twice"),
        ("on: 1\n", "line 1: expected 'name: value', where the name is a word"),
        ("1: 1\n", "line 1: expected 'name: value', where the name is a word"),
        ("[a]: 1\n", "line 1: expected 'name: value', where the name is a word"),
        ("a: [\n", "not valid YAML"),
        ("a: 1\nb:\t- 1\n", "here: line 2: a tab, where YAML allows only spaces"),
        ("a: 1\n---\na: 2\n", "not valid YAML"),
        ("a: !!python/object:os.system x\n", "not valid YAML"),
        ("a: \x00\n", "not valid YAML"),
        ("a: " + "[" * 100_000, "not valid YAML: brackets nested too deeply"),
        ("a: &a [*a]\n", f"expands to more than {MOST_VALUES} values"),
    ],
)
def test_bad_yaml_is_told_in_a_line(text, words):
    with pytest.raises(UserError) as error:
        parse_yaml(text, "here")
    assert words in str(error.value)
    assert str(error.value).startswith("here: ") and "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["/data #1/load.csv", "load.csv #", "#1.csv", "[1, 2] # x", "{a: 1} #x", "'a #1' #2"])
def test_of_what_is_typed_nothing_is_left_out_as_a_comment(text):
    with pytest.raises(UserError, match=r"^-p: '#.*' would be a comment of YAML and left out; quote the value") as told:
        parse_typed(text, "-p")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("text", ["'/data #1/load.csv'", "a#1", '["a #1"]', "1e-3", "", "[]", "Öst 𝕏", "{a: [1]}"])
def test_what_is_typed_without_a_comment_is_what_a_file_says(text):
    assert parse_typed(text, "-p") == parse_yaml(text, "-p")


def test_aliases_that_expand_without_end_are_refused_at_once_and_a_few_are_not():
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    laughs += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
    with pytest.raises(UserError, match="expands to more than"):
        parse_yaml(laughs, "here")
    assert parse_yaml("a: &a [1, 2]\nb: *a\n", "here") == {"a": [1, 2], "b": [1, 2]}


def test_a_file_is_utf8_name_and_value_lines_or_comments_alone(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes("\ufeff# Größe\nepochs: 2\n".encode())
    assert read_parameters(path) == {"epochs": 2}
    path.write_text("# nothing\n")
    assert read_parameters(path) == {}
    for content, words in (
        ("dataset: Zürich\n".encode("latin-1"), "not UTF-8 text"),
        ("epochs: 2\n".encode("utf-16"), "not UTF-8 text"),
        (b"just words\n", "expected 'name: value' lines"),
        (b"- 1\n", "expected 'name: value' lines"),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError) as error:
            read_parameters(path)
        assert str(error.value) == f"{path}: {words}"
    with pytest.raises(UserError, match="Is a directory"):
        read_parameters(tmp_path)
