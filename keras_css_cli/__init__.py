"""The commands: flags become calls, nothing else.

They live beside the package `keras_css`, not in it: Keras chooses its backend
when it is first imported, and importing any part of `keras_css` imports
Keras. Here flags are read first, so `--backend` decides, and help and
misspelt flags answer at once.
"""
