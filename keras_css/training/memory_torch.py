"""Where tensors lie in memory on PyTorch."""

import keras
import torch


def order_kernels(layers, optimizer_variables):
    """Lays kernels as channels-last convolutions of PyTorch read them.

    Otherwise each convolution, forward and back, begins with a copy of its
    kernel. Shapes, values and what is saved stay as they are.

    Args:
        layers: Keras layers; the kernels `(h, w, in, out)` of their
            channels-last `Conv2D` are laid anew.
        optimizer_variables: Keras variables; those of such a kernel's shape
            are laid likewise.
    """
    kernels = [
        layer.kernel
        for layer in layers
        if isinstance(layer, keras.layers.Conv2D)
        and layer.built
        and layer.data_format == "channels_last"
    ]
    shapes = {tuple(kernel.shape) for kernel in kernels}
    for variable in optimizer_variables:
        if tuple(variable.shape) in shapes:
            kernels.append(variable)
    for kernel in kernels:
        _lay_out(kernel.value)


def _lay_out(kernel):
    turned = kernel.detach().permute(3, 2, 0, 1)
    if not turned.is_contiguous(memory_format=torch.channels_last):
        turned = turned.contiguous(memory_format=torch.channels_last)
        kernel.data = turned.permute(2, 3, 1, 0)


def memory_order(tensor):
    """Returns what says where in memory each element lies, beside others."""
    places = zip(tensor.stride(), tensor.shape)
    return [(step, size) for step, size in places if size > 1]
