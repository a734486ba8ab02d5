"""The language that runs are filtered with: `config.lr < 0.01 and state == "finished"`.

    filter      =  either
    either      =  both {("or" | "||") both}
    both        =  one {("and" | "&&") one}
    one         =  ("not" | "!") one | "(" either ")" | comparison
    comparison  =  operand {("==" | "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~" | ["not"] "in") operand}
    operand     =  name | number | "text" | 'text' | true | false | null | "[" operand {"," operand} "]"

A name is a word such as `state`, `config.lr` or `summary.val/accuracy`; what holds other characters is put between
backticks. `~` looks for a regular expression anywhere in the text; whose expressions, `parse_query` is told.
Comparisons chain as in Python: `0.001 < config.lr <= 0.01`. A name alone asks whether it is there, and not false.

A run that has no such value fits no comparison with it, `!=` and `!~` included; `config.lr == null` finds those runs.
A list, such as `tags`, fits when one of its entries does; `!=` and `!~` when none equals or matches.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from backend.errors import InvalidInputError

Scalar = str | int | float | bool | None
Value = Scalar | Sequence[str]
Lookup = Callable[[str], Value]
"""The value of a name for one run; None when it has none."""

Matches = Callable[[str], bool]
"""Whether a regular expression is found in a text."""
Compile = Callable[[str], Matches]
"""Reads a regular expression; raises `ValueError` that says what is wrong with it."""

_LONGEST: Final = 2_000
_DEEPEST: Final = 40
_LONGEST_SUBJECT: Final = 2_000
"""Characters of a text that a regular expression looks at: a pattern may take long on a long one."""

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w./-]))
      | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<quoted>`[^`]+`)
      | (?P<sign>==|!=|<=|>=|!~|&&|\|\||[=<>~!()\[\],])
      | (?P<word>[\w%][\w./%:@-]*)""",
    re.VERBOSE,
)
_SAME: Final = {"=": "==", "&&": "and", "||": "or", "!": "not"}
_COMPARISONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">=", "~", "!~", "in", "not in"})
_CONSTANTS: Final = {"true": True, "false": False, "null": None, "none": None, "inf": float("inf")}
_KEYWORDS: Final = frozenset({"and", "or", "not", "in"})


@dataclass(frozen=True, kw_only=True)
class Query:
    """A filter that was read; the empty text fits every run."""

    text: str
    names: frozenset[str]
    """What it asks for, so that a name that no run has can be told."""
    _fits: Callable[[Lookup], bool] = field(repr=False)

    def fits(self, lookup: Lookup) -> bool:
        return self._fits(lookup)


def python_pattern(text: str) -> Matches:
    """Python's own expressions: for who waits for nobody but themselves, since some take for ever on a short text."""
    try:
        found = re.compile(text)
    except re.error as error:
        raise ValueError(error.msg) from error
    return lambda subject: found.search(subject) is not None


def parse_query(text: str, pattern: Compile = python_pattern) -> Query:
    """Raises `InvalidInputError` that says where the text stops making sense. `pattern` reads what follows a `~`."""
    if len(text) > _LONGEST:
        raise InvalidInputError(f"The filter has {len(text):,} characters, at most {_LONGEST:,} are read.")
    if not text.strip():
        return Query(text="", names=frozenset(), _fits=lambda _: True)
    reader = _Reader(text, pattern)
    fits = reader.either(0)
    if reader.kind != "end":
        raise reader.trouble("'and' or 'or' is missing before it")
    return Query(text=text, names=frozenset(reader.names), _fits=fits)


@dataclass(frozen=True, kw_only=True)
class _Token:
    kind: str
    text: str
    at: int


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            closing = {
                '"': "it has no closing quote",
                "'": "it has no closing quote",
                "`": "it has no closing backtick",
            }
            raise _at(text, at, text[at], closing.get(text[at], "no name, number or sign begins so"))
        kind, word = str(found.lastgroup), found.group()
        if kind == "word" and word.lower() in _KEYWORDS:
            kind, word = "sign", word.lower()
        if kind != "space":
            yield _Token(kind=kind, text=_SAME.get(word, word) if kind == "sign" else word, at=at)
        at = found.end()
    yield _Token(kind="end", text="", at=len(text))


def _at(text: str, at: int, word: str, why: str) -> InvalidInputError:
    where = "at the end" if at >= len(text) else f"at character {at + 1}, '{word}'"
    return InvalidInputError(
        f"The filter cannot be read {where}: {why}.",
        hint='Write for example: config.lr < 0.01 and state == "finished"',
    )


@dataclass(frozen=True)
class _Pattern:
    matches: Matches


_Operand = Callable[[Lookup], object]
_NULL: Final = object()
"""What `null` means; a name without a value is None instead."""


class _Reader:
    """Recursive descent; every method takes its part of the text and returns what it means."""

    def __init__(self, text: str, pattern: Compile) -> None:
        self._text = text
        self._compiled = pattern
        self._tokens = list(_tokens(text))
        self._next = 0
        self.names: set[str] = set()

    @property
    def kind(self) -> str:
        return self._tokens[self._next].kind

    def trouble(self, why: str) -> InvalidInputError:
        token = self._tokens[self._next]
        return _at(self._text, token.at, token.text, why)

    def either(self, depth: int) -> Callable[[Lookup], bool]:
        parts = [self._both(depth)]
        while self._take("or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else lambda run: any(part(run) for part in parts)

    def _both(self, depth: int) -> Callable[[Lookup], bool]:
        parts = [self._one(depth)]
        while self._take("and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else lambda run: all(part(run) for part in parts)

    def _one(self, depth: int) -> Callable[[Lookup], bool]:
        if depth > _DEEPEST:
            raise self.trouble(f"more than {_DEEPEST} parentheses and 'not' stand within each other")
        if self._take("not"):
            denied = self._one(depth + 1)
            return lambda run: not denied(run)
        if self._take("("):
            inner = self.either(depth + 1)
            if not self._take(")"):
                raise self.trouble("')' is missing before it" if self.kind != "end" else "')' is missing")
            return inner
        return self._comparison()

    def _comparison(self) -> Callable[[Lookup], bool]:
        operands = [self._operand()]
        signs: list[str] = []
        while (sign := self._comparing()) is not None:
            if sign in ("~", "!~"):
                signs.append(sign)
                operands.append(self._pattern())
            else:
                signs.append(sign)
                operands.append(self._operand())
        if not signs:
            (alone,) = operands
            return lambda run: _is_there(alone(run))
        pairs = list(zip(operands, signs, operands[1:], strict=False))
        return lambda run: all(_compare(left(run), sign, right(run)) for left, sign, right in pairs)

    def _comparing(self) -> str | None:
        token = self._tokens[self._next]
        if token.kind != "sign":
            return None
        if token.text == "not" and self._tokens[self._next + 1].text == "in":
            self._next += 2
            return "not in"
        if token.text in _COMPARISONS:
            self._next += 1
            return token.text
        return None

    def _pattern(self) -> _Operand:
        token = self._tokens[self._next]
        if token.kind != "text":
            raise self.trouble('after ~ comes a regular expression in quotes, such as "^search-"')
        self._next += 1
        try:
            pattern = _Pattern(self._compiled(token.text[1:-1]))
        except ValueError as error:
            raise _at(self._text, token.at, token.text, f"it is no regular expression: {error}") from error
        return lambda _: pattern

    def _operand(self) -> _Operand:
        token = self._tokens[self._next]
        if token.text == "[" and token.kind == "sign":
            return self._list()
        if token.kind in ("sign", "end"):
            raise self.trouble("a name, a number or a text in quotes is missing")
        self._next += 1
        if token.kind == "number":
            number = float(token.text)
            return lambda _: number
        if token.kind == "text":
            text = _unquoted(token.text)
            return lambda _: text
        if token.kind == "word" and token.text.lower() in _CONSTANTS:
            constant = _CONSTANTS[token.text.lower()]
            return lambda _: _NULL if constant is None else constant
        name = token.text.strip("`")
        self.names.add(name)
        return lambda run: run(name)

    def _list(self) -> _Operand:
        self._next += 1
        entries = [self._operand()]
        while self._take(","):
            entries.append(self._operand())
        if not self._take("]"):
            raise self.trouble("']' is missing before it" if self.kind != "end" else "']' is missing")
        return lambda run: [entry(run) for entry in entries]

    def _take(self, sign: str) -> bool:
        token = self._tokens[self._next]
        if token.kind == "sign" and token.text == sign:
            self._next += 1
            return True
        return False


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _is_there(value: object) -> bool:
    return value is not None and value is not _NULL and value is not False and value != "" and value != []


def _compare(left: object, sign: str, right: object) -> bool:
    if left is _NULL or right is _NULL:
        absent = all(side is None or side is _NULL for side in (left, right))
        return absent if sign == "==" else not absent if sign == "!=" else False
    if left is None or right is None:
        return False
    if sign in ("in", "not in"):
        entries = right if isinstance(right, list | tuple) else [right]
        return any(_compare(left, "==", entry) for entry in entries) is (sign == "in")
    if isinstance(left, list | tuple):
        denied = sign in ("!=", "!~")
        return (all if denied else any)(_compare(entry, sign, right) for entry in left)
    if isinstance(right, list | tuple):
        return any(_compare(left, sign, entry) for entry in right)
    if isinstance(right, _Pattern):
        return right.matches(str(left)[:_LONGEST_SUBJECT]) is (sign == "~")
    return _ordered(left, sign, right)


def _ordered(left: object, sign: str, right: object) -> bool:
    """Numbers as numbers, also when one of them is written as text; anything else as text."""
    pair = _numbers(left, right) or ((left, right) if isinstance(left, str) and isinstance(right, str) else None)
    if pair is None:
        return sign == "!="
    first, second = pair
    return _SIGNS[sign](first, second)


def _numbers(left: object, right: object) -> tuple[float, float] | None:
    if isinstance(left, str) and isinstance(right, str):
        return None
    try:
        return float(left), float(right)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


_SIGNS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
