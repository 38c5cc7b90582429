"""Convolution, BatchNorm and ReLU in one go, written for each backend.

`conv_norm` is what blocks call. On the images of a step it uses the running
backend's own operations, laid out as they run fastest; on a symbolic tensor,
and for layers that are not exactly ours, it calls the layers one by one. Both
compute the same: the golden tests train through the first, students are cut
through the second.
"""

import keras
from keras import ops

from keras_css.backbones.batch_norm import BatchNorm

if keras.backend.backend() == "torch":
    from keras_css.backbones.kernels import torch as kernels
elif keras.backend.backend() == "jax":
    from keras_css.backbones.kernels import jax as kernels
else:
    from keras_css.backbones.kernels import tensorflow as kernels


def conv_norm(x, conv, norm, pad=None, relu=True, add=None, training=None):
    """Returns `relu(norm(conv(pad(x))) + add)`.

    Args:
        x: Tensor `(B, h, w, c)`.
        conv: `Conv2D` without bias, "same" with stride 1 or "valid" after
            `pad`.
        norm: `BatchNorm`.
        pad: `ZeroPadding2D` of half the kernel's size, or None.
        relu: Whether ReLU follows.
        add: Tensor to add before it, or None.
        training: Whether BatchNorm takes the statistics of the batch.
    """
    ours = type(conv) is keras.layers.Conv2D and type(norm) is BatchNorm
    if ours and conv.built and norm.built and kernels.suit(x):
        training = bool(training) and norm.trainable
        return kernels.conv_norm(x, conv, norm, relu, add, training)
    x = conv(pad(x) if pad is not None else x)
    x = norm(x, training=training)
    x = x if add is None else x + add
    return ops.relu(x) if relu else x
