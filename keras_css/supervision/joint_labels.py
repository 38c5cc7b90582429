"""Joint labels (class x transformation) and the way back to classes.

Column `c * n + i` of a joint head means "class c under transformation i"
(CSS, arXiv 2203.11660). A plain head has one column a class.
"""

from keras import ops


def is_joint(logits, num_classes):
    """Returns whether branch logits have joint columns rather than classes.

    Args:
        logits: Tensor `(B, K, n)`, K static.
        num_classes: C. K must be C (plain) or C * n (joint).

    Returns:
        A Python bool. With one branch both readings are the same: False.

    Raises:
        ValueError: If K is neither C nor C * n.
    """
    columns, branches = logits.shape[1], logits.shape[2]
    if columns == num_classes:
        return False
    if columns == num_classes * branches:
        return True
    raise ValueError(
        f"Branch logits must have {num_classes} (plain) or "
        f"{num_classes * branches} (joint) columns. "
        f"Received: logits.shape={tuple(logits.shape)}"
    )


def branch_labels(labels, logits, num_classes):
    """Returns the label that each branch is trained on.

    Args:
        labels: Integer tensor `(B,)`, classes in [0, C), or a distribution
            over them `(B, C)`.
        logits: Tensor `(B, K, n)` of the branches.
        num_classes: C.

    Returns:
        Integer tensor `(B, n)`: `y * n + i` for joint heads, else `y`. A
        label outside [0, C) becomes -1, which no column has. Of a distribution
        `(B, K, n)`: the share of class c stands in column `c * n + i` of
        branch i for joint heads, else in column c.
    """
    branches = logits.shape[2]
    if len(labels.shape) == 2:
        joint = is_joint(logits, num_classes)
        return _branch_distributions(labels, branches, joint)
    known = ops.logical_and(labels >= 0, labels < num_classes)
    index = ops.expand_dims(ops.arange(branches, dtype=labels.dtype), 0)
    labels = ops.expand_dims(labels, 1)
    if is_joint(logits, num_classes):
        labels = labels * branches + index
    else:
        labels = labels + ops.zeros_like(index)
    return ops.where(ops.expand_dims(known, 1), labels, -1)


def _branch_distributions(labels, branches, joint):
    labels = ops.convert_to_tensor(labels)
    if not joint:
        return ops.repeat(labels[:, :, None], branches, axis=2)
    own = ops.eye(branches, dtype=labels.dtype)
    columns = labels.shape[1] * branches
    return ops.reshape(labels[:, :, None, None] * own, (-1, columns, branches))


def class_logits(logits, num_classes):
    """Returns each branch's own class columns.

    Args:
        logits: Tensor `(B, K, n)`.
        num_classes: C.

    Returns:
        Tensor `(B, C, n)`: column i of the last axis is `z[:, i::n, i]` for
        joint heads, else `z[:, :, i]`.
    """
    if not is_joint(logits, num_classes):
        return logits
    n = logits.shape[2]
    by_class = ops.reshape(logits, (-1, num_classes, n, n))
    return ops.stack([by_class[:, :, i, i] for i in range(n)], axis=-1)


def member_logits(output, num_classes):
    """Returns the class logits of each branch, those of the main one last.

    Args:
        output: What a network returns: `"logits"` and, with a main branch,
            `"main"`.
        num_classes: C.

    Returns:
        Tensor `(B, C, n)`, or `(B, C, n + 1)` with a main branch.
    """
    own = class_logits(output["logits"], num_classes)
    if "main" not in output:
        return own
    return ops.concatenate([own, output["main"][:, :, None]], axis=-1)


def aggregate(own, parts):
    """Returns what a student says: a weighted sum over branches.

    Args:
        own: Dict from network name to `(B, C, n)`, from `member_logits`.
        parts: Dict from `(network name, branch)` to a weight; for a network
            as a whole 1 / n each, the mean over its branches.

    Returns:
        Tensor `(B, C)`.
    """
    terms = [
        own[network][:, :, branch] * weight
        if weight != 1.0
        else own[network][:, :, branch]
        for (network, branch), weight in parts.items()
    ]
    return sum(terms[1:], terms[0])
