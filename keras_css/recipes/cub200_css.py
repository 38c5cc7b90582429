"""CSS with a main branch on the birds of CUB-200-2011, at 224 pixels.

Claim: a small network for pictures of much the same thing, shipped at the cost
of a plain MobileNetV2; from nothing at 64 pixels when shrunk.
Command: python scripts/train.py --recipe cub200_css [--data_dir FOLDER]
Time: not measured in full (needs a GPU and the weights published for
ImageNet); shrunk, see below.
Number: TODO
"""

from keras_css.recipes import fine_grained

SETTINGS = {**fine_grained.SETTINGS, "dataset": "cub200"}
SHRUNK = fine_grained.SHRUNK
