"""Regular expressions that people type, or that an address brings: RE2's, in Arrow, which Streamlit has loaded.

Python's own may take for ever on a short text: `(a+)+$` looks at forty letters for hours, and meanwhile no page of
anybody's answers. RE2 takes time that grows with the text (https://github.com/google/re2/wiki/WhyRE2); it knows no
look-around and no back references.
"""

from __future__ import annotations

from collections.abc import Callable


def pattern(text: str, *, ignore_case: bool = False) -> Callable[[str], bool]:
    """Whether the expression is found anywhere in a text. Raises `ValueError` that says what is wrong with it."""
    import pyarrow as pa
    import pyarrow.compute as compute

    def found(subject: str) -> bool:
        return bool(compute.match_substring_regex(pa.scalar(subject), text, ignore_case=ignore_case).as_py())

    try:
        found("")
    except pa.ArrowInvalid as error:
        raise ValueError(str(error).removeprefix("Invalid regular expression: ")) from error
    return found
