"""What a setting is: one line of a dataclass has all there is to say."""

import ast
import dataclasses
import os
import pathlib
from typing import Any

from keras_css_runtime.settings import MOST
from keras_css_runtime.settings import Number
from keras_css_runtime.settings import Rule
from keras_css_runtime.shapes import fits


def setting(default: Any, rule: Rule, help: str) -> Any:
    """Returns a field of a `Settings`.

    Args:
        default: Its value where nothing is said; where that is None, the
            setting may be None, too.
        rule: The `Rule` of its values.
        help: What it is; `{names}` stands for those of its registry.
    """
    about = {"rule": rule, "help": help}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=about)
    return dataclasses.field(default=default, metadata=about)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Base class of groups of settings, checked where one is made.

    Values become plain ones, which JSON can hold: NumPy's numbers, lists.
    """

    # What stands before the name of a setting in messages.
    sign = "--"

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, rule = getattr(self, field.name), field.metadata["rule"]
            if value is None and field.default is None:
                continue
            rule.check(f"{self.sign}{field.name}", value)
            object.__setattr__(self, field.name, rule.plain(value))


def fields_of(*groups: type) -> dict[str, dataclasses.Field]:
    """Returns a dict from the name of each setting of groups to its field."""
    return {
        field.name: field
        for group in groups
        for field in dataclasses.fields(group)
    }


def help_of(field: dataclasses.Field) -> str:
    """Returns what a setting is, as `--help` and the table of settings say."""
    text = field.metadata["help"]
    if "{names}" not in text:
        return text
    names = registered(field.metadata["rule"].registry)
    return text.format(names=", ".join(names))


def registered(place: str) -> list[str]:
    """Returns the names in a registry, which is read and not imported.

    Help has no seconds to wait for Keras.

    Args:
        place: Of the registry's package in `keras_css`, such as `"methods"`.
    """
    root = pathlib.Path(__file__).parents[1] / "keras_css"
    text = (root / place / "__init__.py").read_text("utf-8")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and len(node.args) == 2:
            table = node.args[1]
            if isinstance(table, ast.Dict):
                return [ast.literal_eval(key) for key in table.keys if key]
    raise LookupError(f"{place} has no registry")


class Text(Rule):
    """Any text."""

    def takes(self, value: Any) -> bool:
        return fits(value, str)

    def words(self, value: Any) -> str:
        return "be a text"


class Texts(Rule):
    """Several texts, none by default; the flag may be given several times."""

    def takes(self, value):
        return isinstance(value, (tuple, list)) and fits(list(value), [str])

    def words(self, value):
        return "be a list of texts"

    def plain(self, value):
        return tuple(value)


class Place(Text):
    """A file or a folder, as a text or a `pathlib.Path`."""

    def takes(self, value: Any) -> bool:
        return isinstance(value, os.PathLike) or fits(value, str)

    def words(self, value: Any) -> str:
        return "be a path"

    def plain(self, value: Any) -> Any:
        return os.fspath(value)


@dataclasses.dataclass(frozen=True)
class Name(Text):
    """A name, which the registry itself checks: users may add to it.

    Attributes:
        registry: Place of its package in `keras_css`.
    """

    registry: str


class Options(Rule):
    """Arguments of something by name, which only that can check."""

    def takes(self, value: Any) -> bool:
        return fits(value, dict)

    def words(self, value: Any) -> str:
        return "be a table of options"


class Epochs(Rule):
    """Several epochs, of which the first is 1."""

    form = "whole numbers with commas between them"

    def takes(self, value: Any) -> bool:
        epoch = Number(1, MOST, whole=True)
        return isinstance(value, (tuple, list)) and all(map(epoch.takes, value))

    def words(self, value: Any) -> str:
        return "be a list of whole numbers from 1"

    def plain(self, value: Any) -> Any:
        return tuple(map(int, value))

    def parse(self, text: str) -> Any:
        try:
            return tuple(sorted(map(int, text.split(","))))
        except ValueError:
            return text

    def text(self, value: Any) -> str:
        return ",".join(map(str, value))
