"""Our weights under the names of `plain_torch.py`."""

import numpy as np

NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
ORDER = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}


def plain_weights(distiller):
    """Returns dict from plain name to an array in PyTorch's layout."""
    found = {}
    for i, network in enumerate(distiller.networks):
        for name, weight in _network(network).items():
            value = np.asarray(weight.numpy(), "float32")
            value = np.transpose(value, ORDER[value.ndim])
            found[f"{i}.{name}"] = np.ascontiguousarray(value)
    return found


def _network(network):
    stem, *stages = network.trunk.layers
    found = {"stem.0.weight": stem.conv1.kernel, **_norm("stem.1", stem.bn1)}
    for i, stage in enumerate(stages):
        found.update(_stage(f"stages.{i}", stage))
    for i, (tail, head) in enumerate(zip(network.tails, network.heads)):
        found.update(_stage(f"tails.{i}", tail.layers[0]))
        found[f"heads.{i}.weight"] = head.kernel
        found[f"heads.{i}.bias"] = head.bias
    return found


def _stage(prefix, stage):
    found = {}
    for i, block in enumerate(stage.layers):
        name = f"{prefix}.{i}"
        for k in (1, 2, 3):
            if hasattr(block, f"conv{k}"):
                conv = getattr(block, f"conv{k}")
                found[f"{name}.convs.{k - 1}.weight"] = conv.kernel
                norm = getattr(block, f"bn{k}")
                found.update(_norm(f"{name}.norms.{k - 1}", norm))
        if block.project:
            found[f"{name}.shortcut.0.weight"] = block.shortcut_conv.kernel
            found.update(_norm(f"{name}.shortcut.1", block.shortcut_bn))
    return found


def _norm(prefix, layer):
    return {f"{prefix}.{t}": getattr(layer, k) for t, k in NORM.items()}
