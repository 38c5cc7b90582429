"""`python -m keras_css_cli COMMAND` is the same as `keras-css COMMAND`."""

import sys

from keras_css_cli.main import main

if __name__ == "__main__":
    sys.exit(main())
