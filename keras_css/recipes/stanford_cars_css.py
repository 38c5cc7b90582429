"""CSS with a main branch on Stanford Cars, at 224 pixels.

Claim: a small network for pictures of much the same thing, shipped at the cost
of a plain MobileNetV2; from nothing at 64 pixels when shrunk.
Command: python scripts/train.py --recipe stanford_cars_css [--data_dir FOLDER]
Time: not measured in full (needs a GPU and the weights published for
ImageNet); shrunk, less than an hour on one core.
Number: none of ours yet.
"""

from keras_css.recipes import fine_grained

SETTINGS = {**fine_grained.SETTINGS, "dataset": "stanford_cars"}
SHRUNK = fine_grained.SHRUNK
