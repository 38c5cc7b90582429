"""Entry point of `keras-css evaluate`; see keras_css_cli/evaluate.py."""

import sys

from keras_css_cli.command import run_command

if __name__ == "__main__":
    usage = "python scripts/evaluate.py"
    sys.exit(run_command("evaluate", sys.argv, usage, owns_process=True))
