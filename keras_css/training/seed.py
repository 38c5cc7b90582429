"""One seed for weights and all that is random."""

import random

import keras
import numpy as np


def set_seed(seed):
    """Seeds Python, NumPy and the running backend.

    `keras.utils.set_random_seed` does that too, but also imports TensorFlow
    where it is installed, seconds that JAX and PyTorch need not wait.

    Args:
        seed: A whole number.
    """
    if keras.backend.backend() == "tensorflow":
        keras.utils.set_random_seed(seed)
        return
    # Keras seeds a layer or initializer without seed from Python's.
    random.seed(seed)
    np.random.seed(seed)
    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(seed)
