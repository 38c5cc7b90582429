"""SGD's update of all weights at once on PyTorch.

One call instead of five for each weight: a cohort has hundreds of weights, and
each call costs microseconds on the host. It is what `torch.optim.SGD` does
with `fused=True`.
"""

import collections

import torch
from keras import ops

from keras_css.training.memory_torch import memory_order


@torch.no_grad()
def update_all(optimizer, gradients, variables, learning_rate):
    """Does what `SGD.update_step` does, for all weights.

    Args:
        optimizer: A built `SGD`.
        gradients: List of tensors.
        variables: List of Keras variables, likewise.
        learning_rate: A scalar.
    """
    groups = collections.defaultdict(list)
    for gradient, variable in zip(gradients, variables):
        velocity = None
        if optimizer.momentum:
            place = optimizer._get_variable_index(variable)
            velocity = optimizer.velocities[place].value
        if _suits(variable.value, velocity):
            alike = optimizer.decays(variable), optimizer.rate_of(variable)
            group = groups[*alike, variable.value.dtype]
            group.append((variable.value, gradient, velocity))
        else:
            optimizer.update_step(gradient, variable, learning_rate)
    for (decays, factor, dtype), group in groups.items():
        weights, steps, velocities = zip(*group)
        torch._fused_sgd_(
            weights,
            [_laid_as(w, step.to(dtype)) for w, step in zip(weights, steps)],
            velocities if optimizer.momentum else [],
            weight_decay=optimizer.coupled_weight_decay if decays else 0.0,
            momentum=optimizer.momentum,
            lr=ops.cast(learning_rate, str(dtype).split(".")[1]) * factor,
            dampening=0.0,
            nesterov=optimizer.nesterov,
            maximize=False,
            is_first_step=False,
        )


def _suits(weight, velocity):
    """Returns whether the one call updates a weight as it should.

    It takes memory as it lies, and loses updates of half precision
    (pytorch/pytorch, issue 191763).
    """
    if weight.dtype not in (torch.float32, torch.float64):
        return False
    filled = 1
    for step, size in sorted(memory_order(weight)):
        if step != filled:
            return False
        filled *= size
    return velocity is None or memory_order(weight) == memory_order(velocity)


def _laid_as(weight, gradient):
    if memory_order(weight) == memory_order(gradient):
        return gradient
    return torch.empty_like(weight).copy_(gradient)
