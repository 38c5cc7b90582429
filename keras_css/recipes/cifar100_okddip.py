"""OKDDip on CIFAR-100: CSS's strongest older peer, under the same recipe.

Claim: what `cifar100_css` is to be compared with: one ResNet-110 with four
branches, the last of them the leader that ships; all else as there.
Command: python scripts/train.py --recipe cifar100_okddip
    [--data_dir cifar-100-python]
Time: not measured in full (needs a GPU); shrunk, about ten minutes on two
processor cores.
Number: none of ours yet. A small piece of CIFAR-100 is in results/.
"""

from keras_css.recipes import cifar100_css

SETTINGS = {
    **cifar100_css.SETTINGS,
    "method": "okddip",
    "method_options": {},
    "network_b": None,
}
SHRUNK = {**cifar100_css.SHRUNK, "network_b": None}
