"""Entry point of `keras-css demo`; see keras_css_cli/demo.py."""

import sys

from keras_css_cli.command import run_command

if __name__ == "__main__":
    usage = "python scripts/demo.py"
    sys.exit(run_command("demo", sys.argv, usage, owns_process=True))
