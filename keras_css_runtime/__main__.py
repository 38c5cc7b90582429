"""The command `keras-css-predict`, where nothing else of keras_css is.

`keras-css predict` does the same where training is installed.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from keras_css_runtime.errors import UnreadPicturesError
from keras_css_runtime.errors import UserError
from keras_css_runtime.errors import refuse
from keras_css_runtime.pipes import ends_with_its_reader
from keras_css_runtime.version import __version__


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are those of the other commands."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} ({self.prog} --help lists the flags)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        "keras-css-predict",
        description="Classify pictures with an exported student.",
        epilog="A picture that cannot be read is named on standard error; the "
        "others are classified, and the exit code is 1.",
    )
    add = parser.add_argument
    add("file", metavar="student.onnx")
    add("places", metavar="PICTURES", nargs="+", help="pictures or folders")
    form = parser.add_mutually_exclusive_group()
    for name in ("json", "csv"):
        form.add_argument(
            f"--{name}",
            dest="form",
            action="store_const",
            const=name,
            default="lines",
            help=f"print {name.upper()}: every class's probability",
        )
    add("--top", type=int, default=1, help="likeliest classes to print (1)")
    add("--batch_size", type=int, default=32, help="most pictures at once (32)")
    add(
        "--unsure_below",
        type=float,
        default=0.0,
        metavar="P",
        help="say unsure where the likeliest class has less probability",
    )
    add("--provider", default="cpu", help="cpu, cuda or tensorrt (cpu)")
    add("--version", action="version", version=__version__)
    return parser


@ends_with_its_reader
def run(arguments: Sequence[str]) -> int:
    """Predicts as the arguments say.

    Args:
        arguments: Those of the command, without its name.

    Returns:
        The exit code: 0, 1 if some pictures could not be read, 2 for a user's
        error, 130 interrupted, 141 nobody reads what it prints.
    """
    try:
        options = vars(_parser().parse_args(arguments))
        # onnxruntime and Pillow take half a second; help does not wait.
        from keras_css_runtime.predict import predict

        predict(**options)
    except UnreadPicturesError as error:
        return refuse(error, 1)
    except UserError as error:
        return refuse(error, 2)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        place = f"'{error.filename}'" if error.filename else "The disk"
        return refuse(
            f"{place} must be readable, but is not: {error.strerror}.", 2
        )
    except KeyboardInterrupt:
        return 130
    return 0


def main() -> NoReturn:
    """Runs `keras-css-predict` and exits with its code."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
