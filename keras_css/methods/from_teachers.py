"""What finished teachers say, as methods find it among a cohort's outputs."""

from keras import ops

# Beside the networks' outputs: dict from view to logits `(B, C, teachers)`.
TEACHERS = "teachers"


def asked_once(ask, views):
    """Returns dict from view to what is said of it, equal views asked once.

    Args:
        ask: Function of a tensor of images.
        views: Dict from view to images; some may be the same tensor.
    """
    known = {}
    for images in views.values():
        if id(images) not in known:
            known[id(images)] = ask(images)
    return {name: known[id(images)] for name, images in views.items()}


def of_network(said, name):
    """Returns what teachers say of what a network saw.

    Args:
        said: Dict from a view's name to logits `(B, C, t)` of t teachers.
        name: Of the network.

    Returns:
        Tensor `(B, C, 1, t)`, `(B, C, n, t)` if its n branches have views of
        their own.
    """
    own = [z for view, z in said.items() if view.split("/")[0] == name]
    # A method with other views has one that stands for all.
    return ops.stack(own or list(said.values())[:1], axis=2)
