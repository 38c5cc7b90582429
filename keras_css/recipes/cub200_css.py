"""CSS with a main branch on the birds of CUB-200-2011, at 224 pixels.

Claim: a small network for pictures of much the same thing, shipped at the cost
of a plain MobileNetV2; from nothing at 64 pixels when shrunk.
Command: python scripts/train.py --recipe cub200_css [--data_dir FOLDER]
Time: not measured in full (needs a GPU and the weights published for
ImageNet); shrunk 11 minutes on one busy core, PyTorch, 100 of the species.
Number: in full none of ours yet. Shrunk it shows only that it learns: training
loss 19.5 to 15.7 in four epochs, test accuracy of the ensemble 10.0 % (seed 0).
"""

from keras_css.recipes import fine_grained

SETTINGS = {**fine_grained.SETTINGS, "dataset": "cub200"}
SHRUNK = fine_grained.SHRUNK
