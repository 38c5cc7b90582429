"""The methods' losses in NumPy and float64, written from their formulas.

Each takes what the networks put out, `x`, and a copy of it, `fixed`, which
stands wherever a target is detached: moving `x` alone gives the gradient with
those targets held still. Labels `y` are classes `(B,)` or distributions over
them `(B, C)`.
"""

import itertools

import numpy as np
import scipy.optimize


def log_softmax(z):
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def ce(z, y):
    """Mean over the batch of -sum over classes of y log softmax(z)."""
    return -(shares(y, z.shape[1]) * log_softmax(z)).sum(axis=1).mean()


def shares(y, columns):
    return np.eye(columns)[y] if y.ndim == 1 else y


def joint(y, place, places):
    """The label of class y at a place, among C * places columns."""
    if y.ndim == 1:
        return y * places + place
    found = np.zeros((len(y), y.shape[1] * places))
    found[:, place::places] = y
    return found


def kd(q, z, t):
    """T^2 KL(softmax(q / T) || softmax(z / T)), mean over the batch."""
    log_q, log_p = log_softmax(q / t), log_softmax(z / t)
    return t**2 * (np.exp(log_q) * (log_q - log_p)).sum(axis=1).mean()


def ramp(epoch, length):
    return np.exp(-5 * (1 - min(epoch, length) / length) ** 2)


def ramp_down(epoch, length, epochs):
    return np.clip((epochs - 1 - epoch) / length, 0, 1)


def branches(z):
    return [z[:, :, i] for i in range(z.shape[2])]


def dml(x, fixed, y, w, t):
    z = [x["network_a/logits"][..., 0], x["network_b/logits"][..., 0]]
    q = [fixed["network_a/logits"][..., 0], fixed["network_b/logits"][..., 0]]
    return sum(ce(z[i], y) + w * kd(q[1 - i], z[i], t) for i in (0, 1))


def distance(p, q):
    """L1 norm, mean over the batch."""
    return np.abs(p - q).sum(axis=1).mean()


def switokd(x, fixed, y, w, t):
    z, q = group(x, "logits"), group(fixed, "logits")
    p, truth = [np.exp(log_softmax(own)) for own in q], shares(y, q[0].shape[1])
    d = [distance(own, truth) for own in p]
    total = 0.0
    for i, own in enumerate(z):
        others = [target for j, target in enumerate(q) if j != i]
        gap, epsilon = distance(p[0], p[i]), np.exp(-d[i] / (d[i] + d[0]))
        if i == 0 or d[i] >= d[0] or gap <= d[0] - epsilon * d[i]:
            total += ce(own, y) + w * np.mean([kd(o, own, t) for o in others])
    return total


def cs_kd(x, fixed, y, w, t):
    """The next image of the class on the ring teaches, itself if alone."""
    z, q = x["network_a/logits"][..., 0], fixed["network_a/logits"][..., 0]
    classes = y if y.ndim == 1 else y.argmax(axis=1)
    count = len(classes)
    steps = [
        next(k for k in range(1, count + 1) if classes[(i + k) % count] == c)
        for i, c in enumerate(classes)
    ]
    partner = (np.arange(count) + steps) % count
    return ce(z, y) + 0.7 * w * kd(q[partner], z, t)


def from_teachers(x, fixed, y, w, t, learned=None):
    """Each teacher's part is `learned(q, z, y, t)`, default KD's."""
    z, said = x["network_a/logits"][..., 0], fixed["teachers/network_a"]
    learned = learned or (lambda q, z, y, t: kd(q, z, t))
    taught = np.mean([learned(q, z, y, t) for q in branches(said)])
    return 0.3 * ce(z, y) + 0.7 * w * taught


def channel_distillation(x, fixed, y, w, t):
    """a = 1, b = 0.1, c = 5.4, and two stages."""
    z, said = x["network_a/logits"][..., 0], fixed["teacher/logits"]
    right = y if y.ndim == 1 else y.argmax(axis=1)
    kept = said.argmax(axis=1) == right
    gkd = kd(said[kept], z[kept], t) if kept.any() else 0.0
    cd = sum(
        ((x[f"network_a/stage_{i}"] - fixed[f"teacher/stage_{i}"]) ** 2).mean()
        for i in (1, 2)
    )
    return ce(z, y) + w * (0.1 * gkd + 5.4 * cd)


def cosines(p, images):
    p = p / np.sqrt((p**2).sum(axis=1, keepdims=True))
    return p[images:] @ p[:images].T


def ranked(z, right, ratio):
    """Rows of rank 0, and of the others those with the best ranks."""
    rank = (z > z[np.arange(len(z)), right][:, None]).sum(axis=1)
    order = np.argsort(rank, kind="stable")
    first = (rank == 0).sum()
    return order[: first + int(ratio * (len(z) - first))]


def sskd(x, fixed, y, w, t, stage_one, modules):
    """Weights and ratios by default but turned_ratio 0.5; module weight 1."""
    learns, teaches = modules
    z, views = x["network_a/logits"][..., 0], x["network_a/views"][..., 0]
    said, features = fixed["teacher/logits"], fixed["teacher/features"]
    count = len(z)
    loss = 0.1 * ce(z, y) + 0.9 * w * kd(said[:count], z, t)
    right = np.tile(y if y.ndim == 1 else y.argmax(axis=1), 3)
    kept = ranked(said[count:], right, 0.5)
    loss += 2.7 * w * kd(said[count:][kept], views[count:][kept], t)
    columns = np.tile(np.arange(count), 3)
    if stage_one:
        return loss + ce(cosines(learns(features), count) / 0.7, columns)
    target = cosines(teaches(features), count)
    own = cosines(x["network_a/projected"], count)
    kept = ranked(target, columns, 0.75)
    return loss + 10 * w * kd(target[kept], own[kept], 0.5)


def standardized_kd(q, z, y, t):
    q, z = (
        (v - v.mean(1, keepdims=True)) / v.std(1, ddof=1, keepdims=True)
        for v in (q, z)
    )
    return kd(q, z, t)


def decoupled(q, z, y, t):
    """DKD with alpha 2 and beta 3."""
    rows = np.exp([log_softmax(q / t), log_softmax(z / t)])
    total = 0.0
    for q, p, label in zip(*rows, y if y.ndim == 1 else y.argmax(axis=1)):
        rest = np.arange(len(q)) != label
        for factor, q_part, p_part in (
            (2, [q[label], 1 - q[label]], [p[label], 1 - p[label]]),
            (3, q[rest] / (1 - q[label]), p[rest] / (1 - p[label])),
        ):
            q_part, p_part = np.array(q_part), np.array(p_part)
            total += factor * (q_part * np.log(q_part / p_part)).sum()
    return t**2 * total / len(z)


def related(q, z, y, t):
    """DIST with beta 2 and gamma 3."""
    q, p = np.exp(log_softmax(q / t)), np.exp(log_softmax(z / t))

    def apart(a, b):
        pairs = zip(a, b)
        return np.mean([1 - np.corrcoef(one, two)[0, 1] for one, two in pairs])

    return t**2 * (2 * apart(q, p) + 3 * apart(q.T, p.T))


def cl_ilr(x, fixed, y, w, t):
    z, q = branches(x["network_a/logits"]), branches(fixed["network_a/logits"])
    total = 0.0
    for i, own in enumerate(z):
        others = [q[j] for j in range(len(q)) if j != i]
        total += ce(own, y) + w * kd(np.mean(others, axis=0), own, t)
    return total


def one(x, fixed, y, w, t):
    teacher, target = x["network_a/teacher"], fixed["network_a/teacher"]
    z = branches(x["network_a/logits"])
    return ce(teacher, y) + sum(ce(p, y) + w * kd(target, p, t) for p in z)


def group(x, output):
    """An output of all branches of all networks, in their order."""
    names = sorted(name for name in x if name.endswith(f"/{output}"))
    return [branch for name in names for branch in branches(x[name])]


def okddip(x, fixed, y, w, t, detach=False, query=None, key=None):
    source = fixed if detach else x
    *peers, leader = group(x, "logits")
    *taught, _ = group(source, "logits")
    f = group(source, "features")[:-1]
    total = ce(leader, y) + w * kd(np.mean(taught, axis=0), leader, t)
    for i, own in enumerate(peers):
        scores = np.stack(
            [((f[i] @ query) * (f_j @ key)).sum(axis=1) for f_j in f], axis=1
        )
        share = np.exp(log_softmax(scores))
        target = sum(share[:, j, None] * z for j, z in enumerate(taught))
        total += ce(own, y) + w * kd(target, own, t)
    return total


def pcl(x, fixed, y, w, t):
    z = branches(x["network_a/logits"])
    average = branches(fixed["ema/logits"])
    total = ce(x["network_a/fused"], y)
    for i, own in enumerate(z):
        others = [q for j, q in enumerate(average) if j != i]
        total += ce(own, y) + w * kd(fixed["network_a/fused"], own, t)
        total += w * np.mean([kd(q, own, t) for q in others])
    return total


def kdcl(target):
    """Returns the loss for a function that makes the target."""

    def loss(x, fixed, y, w, t):
        names = ("network_a/logits", "network_b/logits")
        z = [x[name][..., 0] for name in names]
        q = target([fixed[name][..., 0] for name in names], y)
        return sum(ce(own, y) + w * kd(q, own, t) for own in z)

    return loss


def naive(z, y):
    return min(z, key=lambda one: ce(one, y))


def min_logit(z, y):
    t = shares(y, z[0].shape[1])
    return np.min(
        [own - (t * own).sum(axis=1, keepdims=True) for own in z], axis=0
    )


def linear(z, y):
    """The combination of two networks with the least cross-entropy."""
    best = scipy.optimize.minimize_scalar(
        lambda a: ce(a * z[0] + (1 - a) * z[1], y),
        bounds=(0, 1),
        method="bounded",
        options={"xatol": 1e-10},
    ).x
    return best * z[0] + (1 - best) * z[1]


def ffl(x, fixed, y, w, t):
    z = branches(x["network_a/logits"])
    fused, target = x["network_a/fused"], fixed["network_a/fused"]
    mean = np.mean(branches(fixed["network_a/logits"]), axis=0)
    total = ce(fused, y) + w * kd(mean, fused, t)
    return total + sum(ce(own, y) + w * kd(target, own, t) for own in z)


def hssakd(x, fixed, y, w, t, aggregate=0.0):
    """Auxiliary outputs and those of turned images hold four turns of each."""
    labels = np.concatenate([joint(y, r, 4) for r in range(4)])
    names = [
        name for name in ("network_a", "network_b") if f"{name}/logits" in x
    ]
    everyone = np.mean(
        [
            fixed[f"{name}/auxiliary"][len(y) * r : len(y) * (r + 1), r::4]
            for name in names
            for r in range(4)
        ],
        axis=(0, 3),
    )
    total = 0.0
    for own, other in zip(names, names[::-1]):
        z = x[f"{own}/logits"][..., 0]
        total += ce(z, y) + w * aggregate * kd(everyone, z, t)
        if own == other:
            total += sum(ce(p, labels) for p in branches(x[f"{own}/auxiliary"]))
            continue
        z, q = x[f"{own}/turned"][..., 0], fixed[f"{other}/turned"][..., 0]
        total += w * kd(q, z, t)
        pairs = zip(
            branches(x[f"{own}/auxiliary"]),
            branches(fixed[f"{other}/auxiliary"]),
        )
        total += sum(ce(p, labels) + w * kd(r, p, t) for p, r in pairs)
    return total


def joint_ce(logits, y):
    """Mean over the branches of the cross-entropy of their joint labels."""
    z = branches(logits)
    return np.mean([ce(p, joint(y, i, len(z))) for i, p in enumerate(z)])


def independent(x, fixed, y, w, t):
    """Joint branches and a main one, each network by itself."""
    return sum(
        joint_ce(x[f"{name}/logits"], y) + ce(x[f"{name}/main"], y)
        for name in ("network_a", "network_b")
    )


def plain_ce(logits, y):
    """Mean over the branches of the cross-entropy of the classes."""
    return np.mean([ce(p, y) for p in branches(logits)])


def css(x, fixed, y, w, t, released=False, scores=True, ce_of=joint_ce):
    """CSS; with or without utility scores."""
    names = sorted(name for name in x if name.endswith("/logits"))
    source = x if released else fixed
    total = 0.0
    for own, other in itertools.permutations(names, 2):
        pairs = zip(branches(source[other]), branches(x[own]))
        u = ce_of(source[own], y) / ce_of(source[other], y) if scores else 1.0
        taught = u * w * np.mean([kd(q, p, t) for q, p in pairs])
        total += (ce_of(x[own], y) + taught) / (len(names) - 1)
    return total


def css_main(x, fixed, y, w, t, scores=True):
    """CSS with a main branch."""
    names = ("network_a", "network_b")
    n = x["network_a/logits"].shape[2]
    aggregates = [
        np.mean([fixed[f"{name}/logits"][:, i::n, i] for i in range(n)], axis=0)
        for name in names
    ]
    everyone = np.mean(aggregates, axis=0)
    total = css(x, fixed, y, w, t, scores=scores)
    for own, other in (names, names[::-1]):
        main = x[f"{own}/main"]
        total += ce(main, y)
        total += w * kd(fixed[f"{other}/main"], main, t)
        total += w * kd(everyone, main, t)
    return total
