"""Entry point of `keras-css train`; see keras_css_cli/train.py."""

import sys

from keras_css_cli.command import run_command

if __name__ == "__main__":
    usage = "python scripts/train.py"
    sys.exit(run_command("train", sys.argv, usage, owns_process=True))
