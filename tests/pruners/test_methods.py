"""A mistake in a method of one's own is one line with its place, before anything is trained."""

from typing import ClassVar

import pytest

from tsprune.errors import UserError
from tsprune.pruners.method import Method
from tsprune.pruners.methods import METHODS, named
from tsprune.typed import AboveZero


@pytest.fixture
def family():
    """A base without subclasses, so that those of a test are all that is found."""

    class Family(Method):
        name: ClassVar[str] = "family"

        def update(self, sparsity):
            return "nothing"

    return Family


def test_every_method_is_found_under_its_name(family):
    assert all(cls.name == name for name, cls in METHODS.items())

    class Mine(family):
        name = "mine"

    assert named(family) == {"family": family, "mine": Mine}


def test_a_method_without_a_name_of_its_own_is_named(family):
    class Mine(family):
        every: int = 3

    with pytest.raises(UserError, match=r"test_methods.Mine: a method needs a name of its own, as in name: ClassVar"):
        named(family)


def test_a_name_that_is_a_field_is_no_name():
    class Mine(Method):
        name: str = "mine"

        def update(self, sparsity):
            return "nothing"

    with pytest.raises(UserError, match=r"test_methods.Mine: a method needs a name of its own"):
        named(Mine)


def test_a_name_is_given_once(family):
    class Mine(family):
        name: ClassVar[str] = "family"

    with pytest.raises(UserError, match=r"Mine: two methods are called 'family'; .*test_methods.Family is one"):
        named(family)


def test_a_method_does_something():
    class Mine(Method):
        name: ClassVar[str] = "mine"

    with pytest.raises(UserError, match="Mine: a method defines update"):
        named(Mine)


def test_a_method_that_asks_for_a_density_has_the_field(family):
    class Mine(family):
        name: ClassVar[str] = "mine"
        asks_density: ClassVar[bool] = True

    with pytest.raises(UserError, match="Mine: asks_density is True, but there is no field density"):
        named(family)

    class Right(Mine):
        name: ClassVar[str] = "right"
        density: AboveZero = 0.5

    assert named(Right) == {"right": Right}
