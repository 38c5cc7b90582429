"""Prints docs/settings.md, the table of all settings."""

import dataclasses

from keras_css_settings import GROUPS
from keras_css_settings import Running
from keras_css_settings.setting import fields_of
from keras_css_settings.setting import help_of

HEAD = """# Settings of a run

Written by `python -m keras_css_settings > docs/settings.md`. Commands have a
flag for each; in Python they are arguments of `keras_css.runs.RunConfig`, those
of running of `keras_css.runs.train`. Where there is no default, the data set or
the method has one."""


def table() -> str:
    """Returns all settings as a page of Markdown."""
    lines = [HEAD]
    for group in (*GROUPS, Running):
        lines.append(f"\n## {str(group.__doc__).rstrip('.')}\n")
        lines.append("| setting | default | values | what |\n|---|---|---|---|")
        for name, field in fields_of(group).items():
            default = field.default
            has_none = default in (None, dataclasses.MISSING)
            shown = "" if has_none else f"`{default}`"
            values = field.metadata["rule"].span()
            cells = (f"`{name}`", shown, values, help_of(field))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
