"""Entry point of `keras-css train`; see keras_css_cli/train.py."""

import sys

from keras_css_cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("train", sys.argv, "python scripts/train.py"))
