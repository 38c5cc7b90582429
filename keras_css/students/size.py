"""How many parameters a student has, without cutting it out."""


def count_parameters(networks, parts):
    """Returns the number of parameters of a student.

    Those of its trunks, tails and own columns of heads, BatchNorm with its
    statistics; a cut student has fewer, because BatchNorm is folded there.

    Args:
        networks: Dict from network name to `MultiBranchNetwork`, built.
        parts: Dict with a key `(network name, branch)` for each branch of the
            student, as of `Method.student_parts`.
    """
    trunks = sum(
        networks[name].trunk.count_params() for name in {n for n, _ in parts}
    )
    tails = {id(t): t for t in (networks[n].tail_of(i) for n, i in parts)}
    heads = sum(
        (networks[name].backbone.feature_dim + 1) * networks[name].num_classes
        for name, _ in parts
    )
    return trunks + sum(tail.count_params() for tail in tails.values()) + heads


def student_sizes(networks, parts):
    """Returns dict from student name to its `count_parameters`.

    Args:
        networks: As there.
        parts: Dict from student name to what `count_parameters` takes.
    """
    return {
        name: count_parameters(networks, members)
        for name, members in parts.items()
    }
