from __future__ import annotations

import backend.errors as errors
from backend.errors import DigitsError


def test_the_tree_in_the_docstring_is_the_tree_in_the_code() -> None:
    classes = {
        name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, DigitsError)
    }
    assert classes == {word for word in (errors.__doc__ or "").replace("─", " ").split() if word.endswith("Error")}


def test_exit_codes_are_those_of_the_command_line() -> None:
    assert {cls.__name__: cls.exit_code for cls in DigitsError.__subclasses__()} == {
        "InvalidInputError": 2,
        "NotFoundError": 3,
        "RefusedError": 4,
        "WorkFailedError": 1,
        "PlatformError": 5,
    }
