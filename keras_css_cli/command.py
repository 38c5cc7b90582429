"""Runs a command: flags in, exit code out, one line for a user's error."""

import difflib
import importlib
import importlib.util
import os
import sys

from absl import flags

FLAGS = flags.FLAGS
BACKENDS = ("tensorflow", "jax", "torch")


class UsageError(Exception):
    """The flags do not fit; the message is one line."""


def run_command(name, argv, usage):
    """Parses the flags of a command and runs it.

    Args:
        name: A module of this package with a docstring, flags and `run()`.
        argv: The program's arguments, program name first.
        usage: How the command is called, for messages.

    Returns:
        The exit code: 0 done, 2 a user's error, 130 interrupted.
    """
    command = importlib.import_module(f"keras_css_cli.{name}")
    if any(argument in ("--help", "-h", "-help") for argument in argv[1:]):
        print(f"usage: {usage} [flags]\n\n{command.__doc__}")
        print(FLAGS.module_help(command))
        return 0
    try:
        rest = FLAGS(argv)
        if len(rest) > 1:
            raise UsageError(f"flags must begin with --, received '{rest[1]}'.")
        command.run()
    except flags.Error as error:
        message = " ".join(str(error).split())
        return _refuse(f"{message} ({usage} --help lists the flags)")
    except UsageError as error:
        return _refuse(str(error))
    except ValueError as error:
        # Only now: importing the package imports Keras.
        from keras_css.errors import UserError

        if not isinstance(error, UserError):
            raise
        return _refuse(str(error))
    except OSError as error:
        if not error.filename:
            raise
        return _refuse(
            f"'{error.filename}' must be readable and writable, but is not: "
            f"{error.strerror}."
        )
    except KeyboardInterrupt:
        print(
            "interrupted: the last complete epoch is kept; go on with "
            "--resume --run_dir and the run's folder",
            file=sys.stderr,
        )
        return 130
    return 0


def unknown_word(kind, word, known):
    """Returns the error for a word that is not among the known ones."""
    near = difflib.get_close_matches(word, known, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return UsageError(
        f"Unknown {kind} '{word}': {hint}Known: {', '.join(known)}."
    )


def use_backend(name):
    """Decides the Keras backend; to be called before Keras is imported.

    Args:
        name: A backend, or None for KERAS_BACKEND or Keras' own choice.

    Raises:
        UsageError: If the backend is unknown or not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    name = name or os.environ.get("KERAS_BACKEND")
    if not name:
        return
    if name not in BACKENDS:
        raise unknown_word("backend", name, BACKENDS)
    if importlib.util.find_spec(name) is None:
        raise UsageError(
            f"Backend '{name}' must be installed, but is not: run pip install "
            f"'keras-css[{name}]'."
        )
    os.environ["KERAS_BACKEND"] = name


def _refuse(message):
    print(f"error: {message}", file=sys.stderr)
    return 2
