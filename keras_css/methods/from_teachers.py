"""What finished teachers say, as methods find it among a cohort's outputs."""

from keras import ops

# Beside the networks' outputs: dict from view to logits `(B, C, teachers)`.
TEACHERS = "teachers"


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
