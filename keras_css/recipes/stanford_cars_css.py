"""CSS with a main branch on Stanford Cars, at 224 pixels.

Claim: a small network for pictures of much the same thing, shipped at the cost
of a plain MobileNetV2; from nothing at 64 pixels when shrunk.
Command: python scripts/train.py --recipe stanford_cars_css [--data_dir FOLDER]
Time: not measured in full (needs a GPU and the weights published for
ImageNet); shrunk, `--epochs 2` took 7 minutes on one core, PyTorch.
Number: in full none of ours yet. Shrunk it shows only that it learns: training
loss 22.2 to 20.9 in two epochs, validation accuracy of the ensemble 0.8 % to
1.7 % (seed 0).
"""

from keras_css.recipes import fine_grained

SETTINGS = {**fine_grained.SETTINGS, "dataset": "stanford_cars"}
SHRUNK = fine_grained.SHRUNK
