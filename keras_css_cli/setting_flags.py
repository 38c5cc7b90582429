"""A flag for each setting of a run, made of where it is declared."""

import functools

from absl import flags

from keras_css_runtime.errors import UserError
from keras_css_runtime.settings import Choice
from keras_css_runtime.settings import Flag
from keras_css_runtime.settings import Number
from keras_css_settings import GROUPS
from keras_css_settings.setting import Texts
from keras_css_settings.setting import fields_of
from keras_css_settings.setting import help_of

FLAGS = flags.FLAGS


class SettingParser(flags.ArgumentParser):
    """Reads what has a form of its own, such as 224x160.

    Args:
        name: Of the setting.
        rule: Its `Rule`, with `form`, `parse` and `text`.
    """

    def __init__(self, name, rule):
        self.name, self.rule = name, rule
        self.syntactic_help = rule.form

    def parse(self, argument):
        if not isinstance(argument, str):
            return argument
        value = self.rule.parse(argument)
        if isinstance(value, str):
            raise UserError(
                f"--{self.name} must be {self.rule.form}, received "
                f"'{argument}'."
            )
        return value

    def serialize(self, value):
        return self.rule.text(value)


def define(*groups, but=()):
    """Defines the flags of some groups of settings.

    Args:
        *groups: Classes of `keras_css_settings`; help lists the flags of each
            under the name of its module.
        but: Names of settings that have no flag.

    Returns:
        The names of the flags.
    """
    names = []
    for group in groups:
        for name, field in fields_of(group).items():
            if name not in but:
                _define(name, field, group.__module__)
                names.append(name)
    return names


def _define(name, field, module):
    rule, help = field.metadata["rule"], help_of(field)
    more = {"module_name": module}
    make = flags.DEFINE_string
    if isinstance(rule, Choice):
        help = f"<{'|'.join(rule.known)}>: {help}"
    elif isinstance(rule, Flag):
        make = flags.DEFINE_bool
    elif isinstance(rule, Number):
        make = flags.DEFINE_integer if rule.whole else flags.DEFINE_float
    elif isinstance(rule, Texts):
        make = flags.DEFINE_multi_string
    elif hasattr(rule, "form"):
        parser = SettingParser(name, rule)
        make = functools.partial(flags.DEFINE, parser)
        more["serializer"] = parser
    make(name, field.default, help, **more)


def arguments(settings):
    """Returns the words that give a command settings other than its own.

    Args:
        settings: Dict from a setting's name, which has a flag here, to its
            value; one of None is not said.
    """
    fields, words = fields_of(*GROUPS), []
    for name, value in settings.items():
        rule = fields[name].metadata["rule"]
        if value is None or value == FLAGS[name].default:
            continue
        if isinstance(rule, Flag):
            words.append(f"--{'' if value else 'no'}{name}")
        elif isinstance(rule, Texts):
            words += [f"--{name}={text}" for text in value]
        else:
            text = rule.text(value) if hasattr(rule, "form") else value
            words.append(f"--{name}={text}")
    return words


def values(names):
    """Returns the values of flags as a dict of settings."""
    return {name: FLAGS[name].value for name in names}
