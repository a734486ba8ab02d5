"""The model configuration's file: read strictly, errors name the line, and changed without losing comments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from yaml.nodes import Node, ScalarNode

from backend.adapters.local.yaml_nodes import Refusals, compose
from backend.domain.model_config import KEYS, S3_URI, Key, ModelConfig
from backend.errors import InvalidInputError, NotFoundError
from backend.ports.model_file import ModelFile

_HINT: Final = "models/digit_classification.schema.json and docs/cicd.md say what each key takes."
_NUMBER: Final = "tag:yaml.org,2002:int"
_TEXT: Final = "tag:yaml.org,2002:str"


def read_model_file(path: Path) -> str:
    """The file's text. Raises `NotFoundError`, and `InvalidInputError` when it cannot be read."""
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        raise NotFoundError(
            f"The model configuration '{path}' does not exist.",
            hint="Restore models/digit_classification.yaml, or mend DIGITS_MODEL_CONFIG.",
        ) from None
    except OSError as error:
        raise InvalidInputError(f"The model configuration '{path}' cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"'{path}': not YAML: it is no UTF-8 text.") from error


def parse_model_config(text: str, name: str) -> ModelConfig:
    """The values in the text of the file called `name`.

    Raises `InvalidInputError` that names the line for an unknown, missing or doubled key and a bad value.
    """
    refusals, entries = _entries(text, name)
    values: dict[str, str | int] = {word: _value(refusals, word, node) for word, (_, node) in entries.items()}
    if str(values["model_uri"]).startswith(S3_URI) and "sha256" not in values:
        raise refusals.refusal(
            entries["model_uri"][1], "an object on S3 can be overwritten: 'sha256' must say which bytes are meant"
        )
    return ModelConfig(**values)  # type: ignore[arg-type]  # each was held against its key


def with_values(text: str, name: str, values: Mapping[str, str | None]) -> str:
    """The text with these keys' values, everything else as it was; None takes a key away.

    A key that is not there yet is put below `model_uri`. Raises as `parse_model_config`, for what comes out too.
    """
    _, entries = _entries(text, name)
    lines = text.splitlines(keepends=True)
    below = entries["model_uri"][1].end_mark.line
    for word, value in sorted(values.items(), key=lambda item: -_line(entries, item[0], below)):
        if word not in entries:
            if value is not None:
                lines.insert(below + 1, f"{word}: {value}\n")
            continue
        node = entries[word][1]
        first, last = entries[word][0].start_mark.line, node.end_mark.line
        if value is None:
            del lines[first : last + 1]
        else:
            start, end = lines[node.start_mark.line][: node.start_mark.column], lines[last][node.end_mark.column :]
            lines[node.start_mark.line : last + 1] = [f"{start}{value}{end}"]
    changed = "".join(lines)
    now = asdict(parse_model_config(changed, name))
    if any(str(now[word]) != (value or "") for word, value in values.items()):
        raise InvalidInputError(
            f"'{name}' cannot be changed without being written anew.", hint="Put each key on a line of its own."
        )
    return changed


def _line(entries: Mapping[str, tuple[Node, Node]], word: str, below: int) -> int:
    return entries[word][0].start_mark.line if word in entries else below


def _entries(text: str, name: str) -> tuple[Refusals, dict[str, tuple[Node, Node]]]:
    refusals = Refusals(name, _HINT)
    root = compose(text.encode(), name, "a model configuration")
    entries = refusals.entries(root, "the model configuration", KEYS)
    for word, key in KEYS.items():
        if key.required and word not in entries:
            raise refusals.refusal(root, f"'{word}' is missing: {key.meaning[0].lower()}{key.meaning[1:].rstrip('.')}")
    return refusals, entries


def _value(refusals: Refusals, word: str, node: Node) -> str | int:
    key = KEYS[word]
    if not isinstance(node, ScalarNode):
        raise refusals.refusal(node, f"'{word}' is no single value, expected {_expected(key)}")
    written = f"'{word}' is '{node.value[:100]}', expected {_expected(key)}"
    if key.is_number:
        # `1_0`, `0x10` and `012` are numbers to YAML too, and not what anybody reads there.
        if node.tag != _NUMBER or not node.value.isdecimal() or node.value != str(int(node.value)):
            raise refusals.refusal(node, written)
        number = int(node.value)
        if not key.holds(number):
            raise refusals.refusal(node, written)
        return number
    if node.tag != _TEXT or not key.holds(node.value):
        raise refusals.refusal(node, written)
    return str(node.value)


def _expected(key: Key) -> str:
    return f"a whole number from {key.low} to {key.high}" if key.is_number else key.expected


class LocalModelFile:
    """`ModelFile` at a path; `root` is the repository that it is in."""

    def __init__(self, path: Path, root: Path) -> None:
        self._path = path
        self.name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name

    def read(self) -> str:
        return read_model_file(self._path)

    def write(self, text: str) -> None:
        aside = self._path.with_name(f".{self._path.name}.new")
        try:
            aside.write_text(text, encoding="utf-8")
            aside.replace(self._path)
        except OSError as error:
            raise InvalidInputError(f"'{self._path}' cannot be written: {error.strerror}.") from error
        finally:
            aside.unlink(missing_ok=True)

    def parse(self, text: str) -> ModelConfig:
        return parse_model_config(text, self.name)

    def changed(self, text: str, values: Mapping[str, str | None]) -> str:
        return with_values(text, self.name, values)


def _conforms(adapter: LocalModelFile) -> ModelFile:
    return adapter
