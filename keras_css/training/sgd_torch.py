"""SGD's update of all weights at once on PyTorch.

One call for each operation instead of one for each operation and weight: a
cohort has hundreds of weights, and each call costs microseconds on the host.
"""

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
    weights = [variable.value for variable in variables]
    steps = [g.to(w.dtype) for g, w in zip(gradients, weights)]
    decay = optimizer.coupled_weight_decay
    if decay:
        rates = [decay * optimizer.decays(variable) for variable in variables]
        if all(rates):
            steps = torch._foreach_add(steps, weights, alpha=decay)
        else:
            shrunk = torch._foreach_mul(weights, rates)
            steps = torch._foreach_add(steps, shrunk)
    if optimizer.momentum:
        moved = [
            optimizer.velocities[optimizer._get_variable_index(v)].value
            for v in variables
        ]
        torch._foreach_mul_(moved, optimizer.momentum)
        torch._foreach_add_(moved, steps)
        if optimizer.nesterov:
            ahead = torch._foreach_mul(moved, optimizer.momentum)
            steps = torch._foreach_add(steps, ahead)
        else:
            steps = moved
    rate = ops.cast(learning_rate, variables[0].dtype)
    steps = torch._foreach_mul(steps, rate)
    rates = [optimizer.rate_of(variable) for variable in variables]
    if any(factor != 1 for factor in rates):
        torch._foreach_mul_(steps, rates)
    torch._foreach_sub_(weights, steps)
