"""The version of keras_css, which is that of what it ships."""

from keras_css_runtime.version import __version__

__all__ = ["__version__"]
