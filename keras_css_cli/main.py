"""The console command `keras-css`: one word chooses what to do."""

import sys

from keras_css_cli.command import run_command
from keras_css_runtime.errors import unknown_name
from keras_css_runtime.pipes import ends_with_its_reader

COMMANDS = {
    "train": "train a cohort and leave a run folder",
    "compare": "methods, seeds and data sets side by side in one table",
    "data": "look at a data set, preview it, prepare it",
    "evaluate": "measure a finished run again",
    "models": "what backbones and cohorts cost, where a model can be cut",
    "to_onnx": "ship students of a run as ONNX files, proven",
    "predict": "classify pictures with an exported file",
    "benchmark": "latency of an exported file in onnxruntime",
    "demo": "css and independent side by side on scikit-learn's digits",
}


@ends_with_its_reader
def main():
    """Runs `keras-css COMMAND [flags]` and exits with its code."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("--help", "-h", "help"):
        print("usage: keras-css COMMAND [flags]\n")
        for command, purpose in COMMANDS.items():
            print(f"  {command:<10} {purpose}")
        print("\nkeras-css COMMAND --help lists the flags of a command.")
        sys.exit(0)
    if name not in COMMANDS:
        error = unknown_name("command", name, COMMANDS)
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    usage = f"keras-css {name}"
    sys.exit(run_command(name, sys.argv[1:], usage, owns_process=True))
