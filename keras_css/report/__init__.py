"""A run as one HTML page that shows itself everywhere, without a network."""

from keras_css.report.page import Contents
from keras_css.report.page import page
from keras_css.report.thumbnails import make_thumbnails

__all__ = ["Contents", "make_thumbnails", "page"]
