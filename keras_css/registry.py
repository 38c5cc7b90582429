"""Names for things a user picks by name, with help for a misspelt one."""

from keras_css.errors import UserError
from keras_css.errors import unknown_name
from keras_css_runtime.text import composed

ADVICE = "One of your own is added first, in commands by --extension FILE.py."


class Registry:
    """A table from names to factories.

    Args:
        kind: What an entry is, for messages.
        entries: Dict from a name to a callable that makes the thing.
    """

    def __init__(self, kind, entries):
        self.kind = kind
        self._entries = {composed(k): entry for k, entry in entries.items()}

    def __contains__(self, name):
        return composed(name) in self._entries

    def names(self):
        """Returns the known names in the order they were entered."""
        return list(self._entries)

    def add(self, name, factory):
        """Enters a name of the user's own.

        Raises:
            UserError: If the name is taken.
        """
        name = composed(name)
        if name in self._entries:
            raise UserError(
                f"A {self.kind} must have a name of its own, and '{name}' is "
                "taken: choose another name."
            )
        self._entries[name] = factory

    def get(self, name):
        """Returns the factory of a name.

        Raises:
            UserError: If the name is unknown; the nearest ones are shown.
        """
        name = composed(name)
        if name not in self._entries:
            raise unknown_name(self.kind, name, self._entries, ADVICE)
        return self._entries[name]
