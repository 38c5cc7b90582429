"""The authors' PyTorch parameter names, matched to our weights."""

import numpy as np

BATCH_NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


def named_weights(network):
    """Returns dict from PyTorch name to the Keras variable of a network."""
    stem, *stages = network.trunk.layers
    found = {"conv1.weight": stem.conv1.kernel, **norm("bn1", stem.bn1)}
    for i, stage in enumerate(stages):
        found.update(stage_weights(f"layer{i + 1}", stage))
    for i, (tail, head) in enumerate(zip(network.tails, network.heads)):
        found.update(stage_weights(f"layer3_{i}", tail.layers[0]))
        found.update(linear(f"classifier3_{i}", head))
    return found


def to_torch(value):
    """Returns a Keras weight (HWIO, in x out) in PyTorch's layout."""
    value = np.asarray(value)
    return value.transpose({4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[value.ndim])


def from_torch(value):
    """Returns a PyTorch weight (OIHW, out x in) in Keras' layout."""
    value = np.asarray(value)
    return value.transpose({4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[value.ndim])


def stage_weights(prefix, stage):
    """Returns the weights of a stage of residual blocks likewise."""
    found = {}
    for j, block in enumerate(stage.layers):
        name = f"{prefix}.{j}"
        for k in range(1, 4):
            if hasattr(block, f"conv{k}"):
                conv = getattr(block, f"conv{k}")
                found[f"{name}.conv{k}.weight"] = conv.kernel
                found.update(norm(f"{name}.bn{k}", getattr(block, f"bn{k}")))
        if block.project:
            conv = block.shortcut_conv
            found[f"{name}.downsample.0.weight"] = conv.kernel
            found.update(norm(f"{name}.downsample.1", block.shortcut_bn))
    return found


def linear(prefix, layer):
    """Returns the weights of a Dense layer by their PyTorch names."""
    return {f"{prefix}.weight": layer.kernel, f"{prefix}.bias": layer.bias}


def norm(prefix, layer):
    """Returns the weights of a BatchNorm by their PyTorch names."""
    return {f"{prefix}.{t}": getattr(layer, k) for t, k in BATCH_NORM.items()}
