"""SGD's update of all weights at once on PyTorch.

One call instead of five for each weight: a cohort has hundreds of weights, and
each call costs microseconds on the host. It is what `torch.optim.SGD` does
with `fused=True`.
"""

import collections

import torch
from keras import ops


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
        alike = optimizer.decays(variable), optimizer.rate_of(variable)
        groups[*alike, variable.dtype].append((gradient, variable))
    for (decays, factor, dtype), group in groups.items():
        weights = [variable.value for _, variable in group]
        velocities = []
        if optimizer.momentum:
            velocities = [
                optimizer.velocities[optimizer._get_variable_index(v)].value
                for _, v in group
            ]
        # Gradients of kernels come in another layout; the call knows none.
        steps = [
            gradient.to(weight.dtype).contiguous()
            for (gradient, _), weight in zip(group, weights)
        ]
        torch._fused_sgd_(
            weights,
            steps,
            velocities,
            weight_decay=optimizer.coupled_weight_decay if decays else 0.0,
            momentum=optimizer.momentum,
            lr=ops.cast(learning_rate, dtype) * factor,
            dampening=0.0,
            nesterov=optimizer.nesterov,
            maximize=False,
            is_first_step=False,
        )
