"""The order of kernels in memory on PyTorch."""

import torch


def order_kernels(variables):
    """Lays kernels as channels-last convolutions of PyTorch read them.

    Otherwise each convolution, forward and back, begins with a copy of its
    kernel. Shapes, values and what is saved stay as they are.

    Args:
        variables: Keras variables; those with four axes `(h, w, in, out)` are
            laid anew.
    """
    for variable in variables:
        if len(variable.shape) != 4:
            continue
        value = variable.value
        kernel = value.detach().permute(3, 2, 0, 1)
        if not kernel.is_contiguous(memory_format=torch.channels_last):
            kernel = kernel.contiguous(memory_format=torch.channels_last)
            value.data = kernel.permute(2, 3, 1, 0)
