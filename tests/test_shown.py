"""What a message shows of names and cells that come from a file."""

from hypothesis import given
from hypothesis import strategies as st

from tsprune.shown import listed, more, plain, quoted


def test_signs_that_a_terminal_would_obey_or_hide_are_escaped():
    assert plain("\x1b[31mred\x07") == r"\x1b[31mred\x07"
    assert plain("a\nb\tc\r") == r"a\nb\tc\r"
    assert plain("\u202eabc\u200b") == r"\u202eabc\u200b"
    assert plain("größe ⚡ (µmol)") == "größe ⚡ (µmol)"


def test_a_long_text_is_cut_and_its_length_told():
    assert plain("x" * 60) == "x" * 60
    assert plain("x" * 200_000) == "x" * 60 + "... (200,000 characters)"
    assert quoted("ab") == "'ab'"


@given(st.text(max_size=300))
def test_what_is_shown_is_one_short_printable_line(text):
    shown = plain(text)
    assert shown.isprintable() and len(shown) <= 60 * 10 + 20


def test_of_many_names_the_first_are_listed():
    assert listed(["a", "b\n"]) == r"a, b\n"
    assert listed([f"c{i}" for i in range(10_000)], most=2) == "c0, c1 and 9,998 more"
    assert more(0) == "" and more(3) == " (and 3 more)"
