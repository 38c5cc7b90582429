"""Runs a command: flags in, exit code out, one line for a user's error."""

import errno
import importlib
import importlib.util
import os
import sys

from absl import flags

from keras_css_runtime.environment import huge_pages
from keras_css_runtime.environment import keep_memory
from keras_css_runtime.environment import set_up_jax
from keras_css_runtime.environment import set_up_tensorflow
from keras_css_runtime.errors import FailedCellsError
from keras_css_runtime.errors import ProofError
from keras_css_runtime.errors import StoppedError
from keras_css_runtime.errors import UnreadPicturesError
from keras_css_runtime.errors import UserError
from keras_css_runtime.errors import refuse
from keras_css_runtime.errors import unknown_name
from keras_css_runtime.pipes import ends_with_its_reader
from keras_css_runtime.silence import quiet_tensorflow

FLAGS = flags.FLAGS
BACKENDS = ("tensorflow", "jax", "torch")
# TensorFlow's class, XLA's status, PyTorch's class on a GPU and text on a CPU.
OUT_OF_MEMORY = (
    *("ResourceExhaustedError", "RESOURCE_EXHAUSTED", "OutOfMemoryError"),
    "can't allocate memory",
)


# In the environment of a command that has begun again.
BEGAN_AGAIN = "KERAS_CSS_BEGAN_AGAIN"
# Whether the process is the command's own, and may begin again.
_owns_process = False


@ends_with_its_reader
def run_command(name, argv, usage, owns_process=False):
    """Parses the flags of a command and runs it.

    Args:
        name: A module of this package with a docstring, flags and `run()`;
            or with `ARGUMENTS`, what may stand beside the flags, and
            `run(arguments)`. `SHARED_FLAGS` lists further modules, and
            groups of settings, whose flags it reads.
        argv: The program's arguments, program name first.
        usage: How the command is called, for messages.
        owns_process: Whether nothing else runs in this process, so that it
            may begin again with an environment that suits the backend.

    Returns:
        The exit code: 0 done, 1 an export whose proof failed, a comparison
        with cells that failed or pictures that could not be read, 2 a user's
        error, 130 interrupted (SIGINT), 141 nobody reads what it prints, 143
        ended by SIGTERM.
    """
    global _owns_process
    _owns_process = owns_process
    command = importlib.import_module(f"keras_css_cli.{name}")
    takes = getattr(command, "ARGUMENTS", "")
    if any(argument in ("--help", "-h", "-help") for argument in argv[1:]):
        print(f"usage: {usage} {takes}[flags]\n\n{command.__doc__}")
        for module in (command, *getattr(command, "SHARED_FLAGS", ())):
            print(FLAGS.module_help(getattr(module, "__module__", module)))
        return 0
    try:
        rest = FLAGS(argv)
        if takes:
            command.run(rest[1:])
        elif len(rest) > 1:
            raise UserError(f"flags must begin with --, received '{rest[1]}'.")
        else:
            command.run()
    except flags.Error as error:
        if isinstance(error.__context__, UserError):
            return refuse(str(error.__context__))
        message = " ".join(str(error).split())
        return refuse(f"{message} ({usage} --help lists the flags)")
    except UserError as error:
        return refuse(str(error))
    except (ProofError, FailedCellsError, UnreadPicturesError) as error:
        return refuse(str(error), code=1)
    except StoppedError as error:
        print(error, file=sys.stderr)
        return error.code
    except OSError as error:
        if isinstance(error, BrokenPipeError) or not error.strerror:
            raise
        if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
            return refuse(
                f"The disk must have room, but has none: {error.strerror}; "
                "files of before are whole."
            )
        place = f"'{error.filename}'" if error.filename else "The disk"
        return refuse(
            f"{place} must be readable and writable, but is not: "
            f"{error.strerror}."
        )
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return refuse(
            "The memory must suffice, but does not: use a smaller batch size "
            "or smaller networks."
        )
    except KeyboardInterrupt:
        hint = getattr(command, "AFTER_INTERRUPT", "nothing was changed")
        print(f"interrupted: {hint}", file=sys.stderr)
        return 130
    return 0


def is_out_of_memory(error):
    """Returns whether an error says that memory ran out, of any backend."""
    if isinstance(error, MemoryError):
        return True
    text = f"{type(error).__name__} {error}"
    return any(sign in text for sign in OUT_OF_MEMORY)


def use_backend(name):
    """Decides the Keras backend; to be called before Keras is imported.

    For JAX a command's own process begins again, with huge pages; for PyTorch
    it keeps memory that is freed.

    Args:
        name: A backend, or None for KERAS_BACKEND or Keras' own choice.

    Raises:
        UserError: If the backend is unknown or not installed.
    """
    quiet_tensorflow()
    set_up_tensorflow()
    set_up_jax()
    kind = "backend"
    if not name:
        name = os.environ.get("KERAS_BACKEND")
        kind = "backend in the environment variable KERAS_BACKEND"
    if not name:
        return
    if name not in BACKENDS:
        raise unknown_name(kind, name, BACKENDS)
    if importlib.util.find_spec(name) is None:
        raise UserError(
            f"Backend '{name}' must be installed, but is not: run pip install "
            f"'keras-css[{name}]'."
        )
    os.environ["KERAS_BACKEND"] = name
    if name == "jax" and _owns_process:
        _begin_again_with_huge_pages()
    if name == "torch" and _owns_process:
        keep_memory()


def _begin_again_with_huge_pages():
    """Replaces this process by the same command with other settings of malloc.

    Once, and only where Python runs nothing but the script: not in a debugger
    or a notebook.
    """
    environment = huge_pages()
    alone = sys.orig_argv[1:2] == sys.argv[:1]
    if environment is None or not alone or BEGAN_AGAIN in os.environ:
        return
    sys.stdout.flush()
    program = [sys.executable, *sys.orig_argv[1:]]
    os.execve(sys.executable, program, {**environment, BEGAN_AGAIN: "1"})


def say(line):
    """Shows a line of progress at once."""
    print(line, flush=True)
