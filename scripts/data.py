"""Entry point of `keras-css data`; see keras_css_cli/data.py."""

import sys

from keras_css_cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("data", sys.argv, "python scripts/data.py"))
