"""Methods, seeds and data sets side by side: cells, their runs, tables."""

from keras_css.comparison.compare import compare

__all__ = ["compare"]
