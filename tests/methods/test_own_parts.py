"""A method or backbone of a user's own that does not fit: one line says why."""

import keras
import pytest
import tiny

from keras_css import UserError
from keras_css.methods import Method
from keras_css.methods import losses

pytestmark = pytest.mark.once


class Own(Method):
    """One that a file cannot hold: it is not registered."""

    def __init__(self, terms=None):
        super().__init__()
        self.terms = terms or (lambda values: {"loss": keras.ops.mean(values)})

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        z = outputs["network_a"]["logits"]
        return self.terms(losses.cross_entropy(z, labels[:, None]))


class Short(Own):
    def compute_losses(self, outputs, labels):
        return {"loss": 0.0}


class ShortCall(Own):
    def call_networks(self, networks, views):
        return {}


def build(method):
    distiller = tiny.cohort(method, 1, num_branches=1, transformation="none")
    distiller.build((None, 8, 8, 1))
    return distiller


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (
            lambda: Own(lambda v: {"ce": keras.ops.mean(v)}),
            r"Own.compute_losses must return a dict .*\['ce'\]: return \{",
        ),
        (lambda: Own(keras.ops.mean), "must return a dict of scalars"),
        (
            lambda: Own(lambda v: {"loss": v}),
            "must return scalars, received 'loss' of shape .*batch_mean of it.",
        ),
        (Short, r"must take \(outputs, labels, sample_weight.*: name all of"),
        (ShortCall, r"ShortCall.call_networks must take .*\(networks, views\)"),
    ],
)
def test_a_method_that_is_not_what_a_cohort_calls(make, line):
    with pytest.raises(UserError, match=f"^{line}$|{line}") as caught:
        build(make())
    assert "\n" not in str(caught.value)
    assert "automatically infer" not in str(caught.value), "Keras' own words"


def test_a_method_of_another_cohort_or_without_a_name():
    method = Own()
    distiller = build(method)
    with pytest.raises(UserError, match=r"serves one cohort.*make a new one"):
        build(method)
    with pytest.raises(UserError, match=r"received Own, and .*: decorate its"):
        distiller.get_config()


@pytest.mark.parametrize("width", [7, None])
def test_a_backbone_of_another_width_than_it_says(width):
    class Wrong(tiny.TinyBackbone):
        feature_dim = width

        def stages(self):
            return [keras.layers.Conv2D(6, 3), keras.layers.Conv2D(6, 3)]

    keras.saving.register_keras_serializable("tests")(Wrong)
    network = tiny.keras_css.MultiBranchNetwork(Wrong(), 4)
    line = rf"Wrong.feature_dim must be .*, 6, received {width}: set feature"
    with pytest.raises(UserError, match=line):
        network.build((None, 8, 8, 1))
