"""What each method must do where the answer is known by hand."""

import keras
import numpy as np
import pytest
import scipy.optimize
import scipy.special
import tiny
from gradients import value_and_gradients

from keras_css import MultiBranchNetwork
from keras_css import OnlineDistiller
from keras_css import UserError
from keras_css.backbones import split_model
from keras_css.methods import CLILR
from keras_css.methods import FFL
from keras_css.methods import HSSAKD
from keras_css.methods import KDCL
from keras_css.methods import ONE
from keras_css.methods import PCL
from keras_css.methods.averaging import AveragedCopies
from keras_css.methods.hssakd import joint_labels
from keras_css.methods.hssakd import rotated
from keras_css.methods.kdcl_targets import least_cross_entropy_weights
from keras_css.methods.kdcl_targets import least_error_weights
from keras_css.methods.pcl import call_on_views
from keras_css.methods.switokd import who_learns

numpy = keras.ops.convert_to_numpy


def plain(branches=1):
    return tiny.network(
        num_branches=branches, transformation="none", joint_labels=False
    )


# Of what there is one of, a share is 1.
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
def test_the_only_branch_of_one_is_its_own_teacher():
    distiller = OnlineDistiller([plain()], ONE())
    x, _ = tiny.images()
    output = distiller(x)["network_a"]
    np.testing.assert_allclose(
        numpy(output["teacher"]), numpy(output["logits"])[..., 0], rtol=1e-6
    )


def test_a_better_partner_learns_until_it_has_gone_too_far():
    """At d_s = 1.2 one may be ahead: nearly right, or wrong elsewhere."""
    p = {
        "student": [0.4, 0.3, 0.3],
        "worse": [0.3, 0.4, 0.3],
        "ahead": [0.7, 0.15, 0.15],
        "elsewhere": [0.6, 0.4, 0.0],
        "far": [0.45, 0.55, 0.0],
    }
    logits = {n: np.log([np.add(row, 1e-7)] * 2) for n, row in p.items()}
    logits = {n: keras.ops.convert_to_tensor(z) for n, z in logits.items()}
    labels = keras.ops.convert_to_tensor(np.array([0, 0], "int32"))
    found = who_learns(logits, labels)
    assert {n: float(v) for n, v in found.items()} == {
        **{"worse": 1, "ahead": 1, "elsewhere": 1, "far": 0},
    }


def best_weights(z, labels):
    return numpy(
        least_cross_entropy_weights(
            keras.ops.convert_to_tensor(z.astype("float32")),
            keras.ops.convert_to_tensor(labels.astype("int32")),
        )
    )


@pytest.mark.parametrize("networks", [2, 3, 4])
@pytest.mark.parametrize("scale", [1, 5, 20])
def test_kdcl_linear_finds_the_best_convex_combination(networks, scale):
    rng = np.random.default_rng(networks)
    z = rng.normal(0, scale, (40, 6, networks))
    labels = rng.integers(0, 6, 40)
    z[np.arange(40), labels] += scale * rng.random((40, networks))

    def mean_ce(a):
        log_p = scipy.special.log_softmax(z @ a, axis=1)
        return -log_p[np.arange(40), labels].mean()

    best = scipy.optimize.minimize(
        mean_ce,
        np.full(networks, 1 / networks),
        bounds=[(0, 1)] * networks,
        constraints={"type": "eq", "fun": lambda a: a.sum() - 1},
        tol=1e-12,
    )
    found = best_weights(z, labels)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert mean_ce(found) <= best.fun + 1e-5 * max(1, best.fun)
    np.testing.assert_allclose(found, best.x, atol=2e-2)


def test_kdcl_linear_leaves_a_bad_network_out():
    labels = np.arange(8, dtype="int32") % 4
    good = np.eye(4, dtype="float32")[labels] * 3
    weights = best_weights(np.stack([good, -good], axis=-1), labels)
    np.testing.assert_allclose(weights, [1, 0], atol=1e-4)


def test_kdcl_general_takes_the_weights_of_the_epoch_before():
    distiller = OnlineDistiller([plain(), plain()], KDCL(target="general"))
    method = distiller.method
    rng = np.random.default_rng(0)
    labels = keras.ops.convert_to_tensor(np.array([0, 1, 2, 3], "int32"))
    z = rng.normal(0, 2, (2, 4, 4, 1)).astype("float32")
    outputs = {
        name: {"logits": keras.ops.convert_to_tensor(own)}
        for name, own in zip(("network_a", "network_b"), z)
    }
    for _ in range(2):
        method.compute_losses(outputs, labels, epoch=0.0, training=True)
    np.testing.assert_allclose(numpy(method.shares), [0.5, 0.5])
    # Evaluation must not count.
    method.compute_losses(outputs, labels, epoch=1.0, training=False)
    np.testing.assert_allclose(numpy(method.shares), [0.5, 0.5])
    method.compute_losses(outputs, labels, epoch=1.0, training=True)

    p = np.exp(z[..., 0].astype("float64"))
    errors = p / p.sum(axis=2, keepdims=True) - np.eye(4)
    products = np.einsum("abc,dbc->ad", errors, errors) / 4
    ridge = 1e-4 * np.trace(products) / 2 * np.eye(2)
    solved = np.linalg.solve(products + ridge, np.ones(2))
    np.testing.assert_allclose(
        numpy(method.shares), solved / solved.sum(), rtol=1e-5
    )
    assert float(method.samples.value) == 4


def test_equal_errors_weigh_the_same():
    weights = numpy(least_error_weights(keras.ops.ones((3, 3))))
    np.testing.assert_allclose(weights, np.full(3, 1 / 3), atol=1e-3)


@pytest.mark.parametrize("decay", [0.999, 0.5])
def test_averages_follow_their_closed_form(decay):
    """The mean of all weights so far; beyond the limit, d and 1 - d."""
    network = plain()
    network.build((None, 8, 8, 1))
    copies = AveragedCopies({"network_a": network}, decay)
    copy = copies.networks["ema"]
    copy.build((None, 8, 8, 1))
    copies.begin({"network_a": network})
    kernel = network.heads[0].kernel
    seen = []
    for step in range(5):
        kernel.assign(np.full(kernel.shape, float(step + 1)))
        copies.follow({"network_a": network}, float(step))
        seen.append(float(step + 1))
    if decay == 0.999:
        expected = np.mean(seen)
    else:
        # d: 0, 1/2, then held at 1/2.
        expected = 0.5**4 * 1 + sum(
            0.5 ** (5 - k) * (k + 1) for k in range(1, 5)
        )
    found = numpy(copy.heads[0].kernel)
    np.testing.assert_allclose(found, np.full(found.shape, expected), rtol=1e-6)
    assert not copy.trainable_variables


def test_each_peer_of_pcl_sees_its_own_view():
    network = plain(3)
    network.build((None, 8, 8, 1))
    rng = np.random.default_rng(0)
    views = [rng.normal(size=(2, 8, 8, 1)).astype("float32") for _ in range(3)]
    found = numpy(call_on_views(network, views, training=False)["logits"])
    for i, view in enumerate(views):
        own = numpy(network(view, training=False)["logits"])[..., i]
        np.testing.assert_allclose(found[..., i], own, atol=1e-5)


def test_pcl_asks_for_a_view_of_each_peer():
    distiller = OnlineDistiller([plain(3)], PCL())
    assert distiller.views.each_has_own
    assert distiller.views.names == [f"network_a/branch_{i}" for i in range(3)]


def test_pcl_begins_with_a_copy():
    distiller = OnlineDistiller([plain(2)], PCL())
    x, _ = tiny.images()
    students = distiller.predict(x, verbose=0)
    np.testing.assert_allclose(students["ema"], students["network_a"])


def test_the_trunk_of_cl_ilr_gets_one_nth_of_the_gradient():
    distiller = OnlineDistiller([plain(3)], CLILR())
    x, _ = tiny.images()
    distiller.build((None, *x.shape[1:]))
    networks = distiller.named_networks
    shared = numpy(networks["network_a"].shared(x)).astype("float32")

    class Trunk:
        """A trunk's output in the place of a network, whatever the images."""

        num_branches = 3

        def __init__(self, tensor):
            self.tensor = tensor

        def shared(self, images, training=None):
            return self.tensor

        def branches(self, shared, training=None):
            return networks["network_a"].branches(shared, training=False)

    def total(training):
        def function(leaves):
            outputs = distiller.method.call_networks(
                {"network_a": Trunk(leaves["shared"])},
                {"network_a": x},
                training=training,
            )
            logits = outputs["network_a"]["logits"]
            return keras.ops.sum(keras.ops.square(logits))

        return value_and_gradients(function, {"shared": shared})

    value, scaled = total(True)
    plain_value, whole = total(False)
    assert value == pytest.approx(plain_value, rel=1e-5)
    np.testing.assert_allclose(
        scaled["shared"] * 3, whole["shared"], rtol=1e-4, atol=1e-6
    )


def test_the_fusion_of_ffl_leaves_the_branches_alone():
    distiller = OnlineDistiller([plain(2)], FFL())
    x, _ = tiny.images()
    output = distiller(x, training=False)["network_a"]
    network = distiller.networks[0]
    np.testing.assert_allclose(
        numpy(output["logits"]),
        numpy(network(x, training=False)["logits"]),
        atol=1e-6,
    )
    assert tuple(output["fused"].shape) == (len(x), 4)


def test_hssakd_turns_images_and_labels_alike():
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 1)).astype("float32")
    turned = numpy(rotated(keras.ops.convert_to_tensor(x)))
    for r in range(4):
        np.testing.assert_array_equal(
            turned[2 * r : 2 * r + 2], np.rot90(x, r, axes=(1, 2))
        )
    labels = keras.ops.convert_to_tensor(np.array([1, 9], "int32"))
    labels = numpy(joint_labels(labels, 4, 3))
    assert labels.tolist() == [4, -1, 5, -1, 6, -1, 7, -1]
    distiller = OnlineDistiller([plain(), plain()], HSSAKD())
    with pytest.raises(UserError, match="must be square"):
        distiller.build((None, 8, 12, 1))


def test_hssakd_predicts_from_unrotated_images():
    distiller = OnlineDistiller([plain(), plain()], HSSAKD())
    x, _ = tiny.images()
    distiller.build((None, *x.shape[1:]))
    seen = distiller(x, training=False)["network_b"]
    np.testing.assert_allclose(
        numpy(seen["logits"]),
        numpy(distiller.networks[1](x, training=False)["logits"]),
        atol=1e-6,
    )
    trained = distiller(x, training=True)["network_b"]
    assert tuple(trained["logits"].shape) == (len(x), 4, 1)
    assert tuple(trained["turned"].shape) == (4 * len(x), 4, 1)
    assert trained["auxiliary"].shape[0] == 4 * len(x)


def test_hssakd_alone_learns_what_its_classifiers_say_together():
    """One network has no peer; its classifiers' mean may teach it."""
    method = HSSAKD(aggregate_weight=1.0)
    distiller = OnlineDistiller([plain()], method)
    distiller.compile()
    x, y = tiny.images(4)
    logs = distiller.train_on_batch(x, y, return_dict=True)
    terms = {n: float(v) for n, v in logs.items() if "/" in n}
    terms = {n: v for n, v in terms.items() if "accuracy" not in n}
    assert set(terms) == {
        f"network_a/{term}" for term in ("ce", "ce_auxiliary", "kd_aggregate")
    }
    assert float(logs["loss"]) == pytest.approx(sum(terms.values()), rel=1e-5)
    assert type(method).from_config(method.get_config()).aggregate_weight == 1
    with pytest.raises(UserError, match="aggregate_weight must be at least 0"):
        HSSAKD(aggregate_weight=-1)


@pytest.mark.once
def test_hssakd_refuses_a_model_without_stages():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, name="first"),
            keras.layers.Conv2D(4, 3),
        ]
    )
    networks = [
        MultiBranchNetwork(
            split_model(model, at="first"),
            4,
            num_branches=1,
            transformation="none",
            joint_labels=False,
        )
        for _ in "ab"
    ]
    with pytest.raises(UserError, match="a model that is cut has none"):
        OnlineDistiller(networks, HSSAKD())
