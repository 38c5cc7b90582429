"""What the stages of a network put out, one by one."""


def stage_outputs(network, images, training=None, branch=0):
    """Returns what each stage of a branch puts out, in order.

    Args:
        network: A `MultiBranchNetwork` whose backbone has stages.
        images: Tensor `(B, H, W, channels)`, as the network takes them.
        training: As everywhere.
        branch: Its number, that of the main branch comes last.

    Returns:
        List of maps `(B, h, w, d)`: the stem's, then one a stage, of which
        the last is what `pooled` takes.
    """
    x = network.view(network.prepared(images), branch)
    maps = []
    for stage in network.trunk.layers:
        x = stage(x, training=training)
        maps.append(x)
    x = network.seen(x, branch)
    for stage in network.tail_of(branch).layers[:-1]:
        x = stage(x, training=training)
        maps.append(x)
    return maps


def pooled(network, last_map, branch=0):
    """Returns the features `(B, D)` of a branch, from its last stage's map."""
    return network.tail_of(branch).layers[-1](last_map)
