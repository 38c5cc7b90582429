"""Transformations of images: what branches see, and the network of views."""

import formulas
import keras
import numpy as np
import pytest
import tiny

from keras_css import MultiBranchNetwork
from keras_css import OnlineDistiller
from keras_css import UserError
from keras_css.methods import CSS
from keras_css.methods import METHODS
from keras_css.runs import RunConfig
from keras_css.students import count_parameters
from keras_css.supervision import transformations

NAMES = ("rotation", "color_permutation", "turned_quadrant", "rotation_color")
COLORS = {"orders": [(0, 1, 2), (1, 2, 0), (2, 0, 1)]}


def numpy(value):
    return keras.ops.convert_to_numpy(value)


def pictures(*shape):
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, shape).astype("float32")


def seen_by(name, branch, images, num_branches):
    """Returns what a branch sees, as an array."""
    tensor = keras.ops.convert_to_tensor(images)
    return numpy(transformations.get(name)(tensor, branch, num_branches))


def test_rotation_turns_the_image_by_quarters():
    x = pictures(2, 5, 5, 3)
    for branch in range(4):
        np.testing.assert_array_equal(
            seen_by("rotation", branch, x, 4), np.rot90(x, branch, (1, 2))
        )
    tall = pictures(2, 6, 3, 1)
    np.testing.assert_array_equal(
        seen_by("rotation", 1, tall, 2), np.rot90(tall, 2, (1, 2))
    )


def test_colours_come_in_all_six_orders_the_cyclic_ones_first():
    x = pictures(2, 3, 4, 3)
    seen = [seen_by("color_permutation", i, x, 6) for i in range(6)]
    for found, order in zip(seen, COLORS["orders"]):
        np.testing.assert_array_equal(found, x[..., list(order)])
    assert len({image.tobytes() for image in seen}) == 6
    for image in seen:
        np.testing.assert_array_equal(np.sort(image, -1), np.sort(x, -1))


@pytest.mark.parametrize("size", [6, 7])
def test_one_quadrant_is_turned(size):
    x, half = pictures(2, size, size, 2), size // 2
    first, last = slice(0, half), slice(size - half, size)
    places = [(first, first), (last, last), (last, first), (first, last)]
    seen = [seen_by("turned_quadrant", i, x, 13) for i in range(13)]
    np.testing.assert_array_equal(seen[0], x)
    for i, found in enumerate(seen[1:]):
        expected = x.copy()
        rows, columns = places[i % 4]
        part = expected[:, rows, columns]
        expected[:, rows, columns] = np.rot90(part, (2, 1, 3)[i // 4], (1, 2))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("count", "turns"), [(4, 2), (6, 2), (12, 4)])
def test_every_pair_of_rotation_and_colours_is_a_branch(count, turns):
    x = pictures(1, 4, 4, 3)
    for i in range(count):
        turned = np.rot90(x, i % turns * (4 // turns), (1, 2))
        order = COLORS["orders"][i // turns]
        np.testing.assert_array_equal(
            seen_by("rotation_color", i, x, count), turned[..., list(order)]
        )


def of_views(transformation="rotation", num_branches=4, channels=3, **options):
    """Returns a built network that sees transformed images."""
    network = tiny.network(
        transformation=transformation,
        num_branches=num_branches,
        main_branch=True,
        **options,
    )
    network.build((None, 8, 8, channels))
    return network


@pytest.mark.parametrize("name", NAMES)
def test_the_first_branch_and_the_main_one_see_the_image_itself(name):
    network = of_views(name)
    x = keras.ops.convert_to_tensor(pictures(2, 8, 8, 3))
    assert network.view(x, 0) is x
    assert network.view(x, 4) is x
    assert np.any(numpy(network.view(x, 3)) != numpy(x))
    np.testing.assert_array_equal(seen_by(name, 0, numpy(x), 4), numpy(x))


def test_views_go_through_one_plain_network_as_one_batch():
    """In training BatchNorm has the statistics of all views."""
    network, twin = of_views(), of_views()
    twin.set_weights(network.get_weights())
    x = pictures(3, 8, 8, 3)
    found = network(x, training=True)
    views = np.concatenate([np.rot90(x, i, (1, 2)) for i in range(4)])
    pooled = twin.tails[0](twin.trunk(views, training=True), training=True)
    joint = numpy(twin.heads[0](pooled)).reshape(4, 3, 16)
    np.testing.assert_allclose(
        numpy(found["logits"]), joint.transpose(1, 2, 0), rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(
        numpy(found["main"]),
        numpy(twin.heads[1](pooled[:3])),
        rtol=1e-4,
        atol=1e-4,
    )
    assert tuple(found["features"].shape) == (3, 6, 4)


def test_its_loss_is_the_formula_of_css_on_the_views():
    method = CSS(variant="main_branch", utility_scores=False)
    distiller = OnlineDistiller([of_views(), of_views()], method)
    distiller.compile()
    x, y = pictures(6, 8, 8, 3) / 255, np.arange(6, dtype="int32") % 4
    distiller.build(x.shape)
    outputs = {
        f"{name}/{key}": numpy(value).astype("float64")
        for name, output in distiller(x, training=True).items()
        for key, value in output.items()
    }
    logs = distiller.train_on_batch(x, y, return_dict=True)
    expected = formulas.css_main(outputs, outputs, y, 1.0, 3.0, scores=False)
    assert float(logs["loss"]) == pytest.approx(expected, rel=1e-5)


def test_the_main_branch_ships_as_the_plain_backbone():
    network = of_views()
    tiny.shake(network)
    plain = MultiBranchNetwork(tiny.TinyBackbone(), 4, 1, "none", False)
    plain.build((None, 8, 8, 3))
    method = CSS(variant="main_branch")
    distiller = OnlineDistiller([network, of_views()], method)
    x = pictures(3, 8, 8, 3)
    distiller.build(x.shape)
    distiller.compile()
    known = distiller.predict(x, verbose=0)
    student = distiller.student("network_a/main")
    cut = OnlineDistiller([plain], "independent")
    cut.build(x.shape)
    reference = cut.student("network_a/branch_0")
    assert [type(layer) for layer in student.layers] == [
        type(layer) for layer in reference.layers
    ]
    assert student.count_params() == reference.count_params()
    networks = {**distiller.named_networks, "plain": plain}
    parts = distiller.method.student_parts()
    assert count_parameters(networks, parts["network_a/main"]) == (
        plain.count_params()
    )
    for name in ("network_a/main", "network_a/branch_3", "network_a"):
        np.testing.assert_allclose(
            distiller.student(name).predict(x, verbose=0),
            known[name],
            rtol=1e-4,
            atol=1e-4,
        )
    # One backbone and four heads, whatever the number of views.
    heads = 4 * 7 * 4
    assert distiller.student("network_a").count_params() == (
        student.count_params() - 7 * 4 + heads
    )


def test_what_images_do_not_allow_is_refused():
    for options, shape, words in (
        ({}, (8, 12, 3), "must be square, received 8x12 and 4 branches"),
        ({"transformation": "color_permutation"}, (8, 8, 1), "received 1 chan"),
        ({"transformation": "turned_quadrant"}, (3, 8, 1), "at least 4x4"),
        (
            {"transformation": "turned_quadrant", "num_branches": 6},
            (8, 12, 1),
            "Quadrants turned by 90 degrees must be square",
        ),
        (
            {"transformation": "rotation_color", "num_branches": 12},
            (8, 12, 3),
            "must be square",
        ),
    ):
        network = tiny.network(
            **{"transformation": "rotation", "num_branches": 4, **options}
        )
        with pytest.raises(UserError, match=words):
            network.build((None, *shape))
    tiny.network(transformation="rotation", num_branches=2).build(
        (None, 8, 12, 3)
    )
    for name, count, words in (
        ("rotation", 5, "at most 4 branches apart"),
        ("rotation", 1, "needs 2 branches or more, received 1"),
        ("rotation_color", 5, "makes 4, 6, 12, 24 branches, received 5"),
    ):
        with pytest.raises(UserError, match=words):
            tiny.network(transformation=name, num_branches=count)


@pytest.mark.once
def test_methods_of_plain_branches_refuse_views():
    for name in ("one", "pcl", "okddip"):
        method = METHODS.get(name)()
        options = {**method.network_defaults, "transformation": "rotation"}
        with pytest.raises(UserError, match="branches that see the same image"):
            OnlineDistiller([tiny.network(**options)], method)


@pytest.mark.once
def test_a_named_transformation_chooses_the_branches():
    def branches(name, shape=(8, 8, 3), method="css", **options):
        config = RunConfig(transformation=name, method=method, **options)
        made = METHODS.get(method)()
        return config.network_settings(made, shape)["num_branches"]

    assert [branches(name) for name in NAMES] == [4, 3, 2, 12]
    assert branches("rotation", (8, 12, 3)) == 2
    assert branches("rotation_color", (8, 12, 3)) == 6
    assert branches("rotation", branches=3) == 3
    assert branches("corner_erase") == branches(None) == 3
    # One plain branch is the baseline, whatever others see.
    assert branches("rotation", method="independent") == 1
