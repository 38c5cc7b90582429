"""What a setting may be, checked by the thing that takes it."""

import dataclasses
import inspect
import math
import numbers
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from keras_css_runtime.errors import UserError

# Seeds and counts are 32-bit numbers in what takes them in the end.
MOST = 2**31 - 2


class Rule:
    """One setting's rule; a subclass says what it takes."""

    optional = False

    def takes(self, value: Any) -> bool:
        """Says whether a value is one that the setting may have."""
        raise NotImplementedError

    def words(self, value: Any) -> str:
        """Returns what a value that is not taken must be."""
        raise NotImplementedError

    def check(self, name: str, value: Any) -> None:
        """Raises `UserError` unless the value is taken.

        Args:
            name: Of the setting, for the message.
            value: What was given.
        """
        if value is None and self.optional:
            return
        if not self.takes(value):
            raise UserError(
                f"{name} must {self.words(value)}, received {value!r}."
            )

    def plain(self, value: Any) -> Any:
        """Returns a value that is taken as Python has it, not NumPy."""
        return value

    def parse(self, text: str) -> Any:
        """Returns the value of a text; the text if it stands for none."""
        return text

    def span(self) -> str:
        """Returns what the values are, for a table."""
        return self.words("").removeprefix("be ")


@dataclasses.dataclass(frozen=True)
class Number(Rule):
    """A finite number, Python's or NumPy's; a bool is none.

    Attributes:
        low: The least one.
        high: The greatest one.
        whole: Whether it must be an integer.
        above: Whether `low` itself is too little.
        below: Whether `high` itself is too much.
        optional: Whether it may be None.
    """

    low: float = 0
    high: float = math.inf
    whole: bool = False
    above: bool = False
    below: bool = False
    optional: bool = False

    def takes(self, value: Any) -> bool:
        if not self._is_number(value):
            return False
        if self.above and value == self.low:
            return False
        if self.below and value == self.high:
            return False
        return self.low <= value <= self.high

    def words(self, value: Any) -> str:
        kind = "a whole number" if self.whole else "a number"
        if not self._is_number(value):
            return f"be {kind}"
        if self.above or self.below:
            if (self.low, self.high) == (0, math.inf):
                return "be positive"
            if self.low == 0 and self.above and self.below:
                return f"be a positive number below {self.high}"
            left, right = "[("[self.above], "])"[self.below]
            return f"lie in {left}{self.low}, {self.high}{right}"
        if self.high == math.inf:
            return f"be at least {self.low}"
        return f"be {kind} from {self.low} to {self.high}"

    def plain(self, value: Any) -> Any:
        return int(value) if self.whole else float(value)

    def parse(self, text: str) -> Any:
        try:
            return int(text) if self.whole else float(text)
        except ValueError:
            return text

    def span(self) -> str:
        first = f"{'above' if self.above else 'from'} {self.low:g}"
        last = f" {'below' if self.below else 'to'} {self.high:g}"
        endless = self.high in (MOST, math.inf)
        kind = "whole number" if self.whole else "number"
        return f"{kind} {first}{'' if endless else last}"

    def _is_number(self, value: Any) -> bool:
        kind = numbers.Integral if self.whole else numbers.Real
        if isinstance(value, bool) or not isinstance(value, kind):
            return False
        try:
            return math.isfinite(float(value))
        # Whole numbers have no end, floats have.
        except OverflowError:
            return False


@dataclasses.dataclass(frozen=True)
class Choice(Rule):
    """One of a few names.

    Attributes:
        known: The names.
    """

    known: tuple

    def takes(self, value: Any) -> bool:
        return isinstance(value, str) and value in self.known

    def words(self, value: Any) -> str:
        return f"be {' or '.join(self.known)}"


@dataclasses.dataclass(frozen=True)
class Flag(Rule):
    """Yes or no: a text such as "no" would count as yes.

    Attributes:
        optional: Whether it may be None.
    """

    optional: bool = False

    def takes(self, value: Any) -> bool:
        # NumPy's has this name, too; help need not wait for NumPy.
        return type(value).__name__ in ("bool", "bool_")

    def words(self, value: Any) -> str:
        return "be true or false"

    def plain(self, value: Any) -> Any:
        return bool(value)

    def parse(self, text: str) -> Any:
        return {"true": True, "false": False}.get(text.lower(), text)


@dataclasses.dataclass(frozen=True)
class Sides(Rule):
    """Height and width of an image, and its channels if there are three.

    Attributes:
        count: How many numbers.
        most: The greatest one.
        optional: Whether it may be None.
    """

    count: int = 2
    most: int = MOST
    optional: bool = False

    form = "a number of pixels such as 64, or height x width such as 224x160"

    def takes(self, value: Any) -> bool:
        side = Number(1, self.most, whole=True)
        return (
            isinstance(value, (tuple, list))
            and len(value) == self.count
            and all(map(side.takes, value))
        )

    def words(self, value: Any) -> str:
        named = ("height and width", "height, width and channels")
        return (
            f"be {named[self.count - 2]}, whole numbers between 1 and "
            f"{self.most}"
        )

    def plain(self, value: Any) -> Any:
        return tuple(map(int, value))

    def parse(self, text: str) -> Any:
        try:
            sides = [int(side) for side in text.lower().split("x")]
        except ValueError:
            return text
        return tuple(sides * 2 if len(sides) == 1 else sides)

    def text(self, value: Any) -> str:
        return "x".join(map(str, value))


# What many settings are.
COUNT = Number(1, MOST, whole=True)
ANY_COUNT = Number(0, MOST, whole=True)
NOT_NEGATIVE = Number(0)
POSITIVE = Number(0, above=True)
FRACTION = Number(0, 1, below=True)


def check_settings(
    rules: Mapping[str, Rule],
    values: Mapping[str, Any],
    sign: str = "",
    of: str = "",
) -> None:
    """Raises `UserError` for the first setting that breaks its rule.

    Args:
        rules: Dict from a setting's name to its `Rule`.
        values: Dict from a setting's name to its value; those without a rule
            are not looked at.
        sign: What stands before a name in messages, such as `"--"`.
        of: What stands after it, such as `" of Cutout"`.
    """
    for name, rule in rules.items():
        if name in values:
            rule.check(f"{sign}{name}{of}", values[name])


def check_arguments(
    cls: type, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> None:
    """Checks what a class is called with, before it makes anything.

    Args:
        cls: The class; it and its bases have `rules`, see `check_settings`.
        args: List of the positional arguments.
        kwargs: Dict of the named ones.
    """
    rules = {}
    for base in reversed(cls.__mro__):
        rules |= vars(base).get("rules", {})
    names = list(inspect.signature(cls.__init__).parameters)[1:]
    check_settings(rules, {**dict(zip(names, args)), **kwargs})
