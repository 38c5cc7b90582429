"""One seed for weights and all that is random."""

import random
import sys

import keras
import numpy as np


def set_seed(seed):
    """Seeds Python, NumPy, Keras and the running backend.

    `keras.utils.set_random_seed` does that, too, but also imports TensorFlow
    where it is installed, seconds that JAX and PyTorch need not wait.

    Args:
        seed: A whole number.
    """
    seed = int(seed)
    if "tensorflow" in sys.modules:
        keras.utils.set_random_seed(seed)
        return
    _forget_global_generator()
    # Keras seeds a layer or initializer without seed from Python's.
    random.seed(seed)
    np.random.seed(seed)
    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(seed)


def _forget_global_generator():
    """Lets the generator of `keras.random` be made anew, from the seed.

    Keras has no public way to it that leaves TensorFlow alone.
    """
    from keras.src.backend.common import global_state

    # Keras' name of it, in newer releases a constant there.
    global_state.set_global_attribute("global_seed_generator", None)
