"""PyTorch: its fused BatchNorm, tensors in channels-last memory.

Keras copies a tensor at each convolution to change its layout. A permuted view
of `(B, h, w, c)` is what PyTorch calls channels-last, so none is needed.
"""

import torch
import torch.nn.functional as F


def suit(x):
    """Returns whether x is a tensor with values."""
    return isinstance(x, torch.Tensor) and x.device.type != "meta"


def conv_norm(x, conv, norm, relu, add, training):
    y = F.conv2d(
        x.permute(0, 3, 1, 2),
        conv.kernel.value.permute(3, 2, 0, 1),
        stride=conv.strides,
        padding=conv.kernel_size[0] // 2,
    )
    y = F.batch_norm(
        y,
        norm.moving_mean.value,
        norm.moving_variance.value,
        norm.gamma.value,
        norm.beta.value,
        training,
        1 - norm.momentum,
        norm.epsilon,
    )
    if add is not None:
        y = y.add_(add.permute(0, 3, 1, 2))
    y = y.relu_() if relu else y
    return y.permute(0, 2, 3, 1)
