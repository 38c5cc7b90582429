"""Using a shipped student: NumPy, Pillow and onnxruntime, no Keras.

It lies beside `keras_css`, whose import imports Keras and a backend, so that a
prediction starts in a second and a machine that only predicts needs neither.
`keras_css.deploy.OnnxClassifier` is `keras_css_runtime.classifier`'s.
"""
