"""Entry point of `keras-css benchmark`; see keras_css_cli/benchmark.py."""

import sys

from keras_css_cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("benchmark", sys.argv, "python export/benchmark.py"))
