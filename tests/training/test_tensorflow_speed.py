"""What makes steps on TensorFlow fast is in use."""

import keras
import numpy as np
import pytest
import tiny

import keras_css
from keras_css.data.batches import EvaluationBatches
from keras_css.data.batches import TrainingBatches

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    from keras_css.training.train_step.tensorflow import OneReplica

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="is about TensorFlow"
)


def test_no_feeding_is_tuned(monkeypatch):
    tuned = []
    distribute = OneReplica.experimental_distribute_dataset

    def note(self, dataset):
        made = distribute(self, dataset)
        tuned.append(made.options().autotune.enabled)
        return made

    monkeypatch.setattr(OneReplica, "experimental_distribute_dataset", note)
    distiller = tiny.cohort()
    x, y = tiny.images(16)
    distiller.fit(x, y, batch_size=8, validation_data=(x, y), verbose=0)
    distiller.predict(x, verbose=0)
    assert tuned == [False] * 3
    split = tiny.split(16)
    batches = TrainingBatches(split, 8, seed=0)
    distiller.fit(batches, shuffle=False, verbose=0)
    distiller.evaluate(EvaluationBatches(split), verbose=0)
    assert tuned == [False] * 5


def test_a_strategy_that_was_chosen_stays():
    chosen = tf.distribute.OneDeviceStrategy("/cpu:0")
    with chosen.scope():
        distiller = tiny.cohort()
        assert distiller.distribute_strategy.extended is chosen.extended
        x, y = tiny.images(16)
        history = distiller.fit(x, y, batch_size=8, verbose=0).history
    assert distiller.distribute_strategy.extended is chosen.extended
    assert np.isfinite(history["loss"]).all()


def test_pipelines_of_the_user_are_tuned(monkeypatch):
    given = []
    distribute = OneReplica.experimental_distribute_dataset

    def note(self, dataset):
        made = distribute(self, dataset)
        given.append(made is dataset)
        return made

    monkeypatch.setattr(OneReplica, "experimental_distribute_dataset", note)
    dataset = tf.data.Dataset.from_tensor_slices(tiny.images(16)).batch(8)
    distiller = tiny.cohort()
    distiller.fit(dataset, validation_data=dataset, verbose=0)
    distiller.evaluate(dataset, verbose=0)
    distiller.predict(dataset.map(lambda x, y: x), verbose=0)
    assert given == [True] * 4


@pytest.mark.parametrize("name", ["resnet14", "resnet18"])
def test_no_convolution_has_explicit_padding(name):
    """oneDNN has no gradients of such."""
    network = keras_css.MultiBranchNetwork(name, num_classes=3)
    images = np.zeros((1, 64, 64, 3), "float32")
    network(images)
    step = tf.function(lambda x: network(x, training=True))
    graph = step.get_concrete_function(images).graph
    graphs = [graph, *(f.graph for f in graph._functions.values())]
    padding = {
        operation.get_attr("padding")
        for graph in graphs
        for operation in graph.get_operations()
        if operation.type == "Conv2D"
    }
    assert padding == {b"SAME", b"VALID"}
