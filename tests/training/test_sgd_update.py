"""SGD updates all weights at once as the formula says for each of them."""

import keras
import numpy as np
import pytest

import keras_css

DECAY = 0.01


def update(value, velocity, gradient, rate, decay, momentum, nesterov):
    """Returns PyTorch's update in float64: `(value, velocity)`."""
    gradient = gradient + decay * value
    velocity = momentum * velocity + gradient
    step = gradient + momentum * velocity if nesterov else velocity
    return value - rate * step, velocity


@pytest.mark.parametrize("momentum, nesterov", [(0, False), (0.9, True)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_all_weights_at_once(dtype, momentum, nesterov):
    rng = np.random.default_rng(0)
    shapes = {"kernel": (3, 3, 8, 16), "bias": (70,), "slow": (4, 33)}
    values = {name: rng.normal(size=s) for name, s in shapes.items()}
    variables = {
        name: keras.Variable(value, dtype=dtype, name=name)
        for name, value in values.items()
    }
    velocities = {name: np.zeros(shape) for name, shape in shapes.items()}
    optimizer = keras_css.SGD(
        0.1, momentum=momentum, nesterov=nesterov, weight_decay=DECAY
    )
    optimizer.exclude_from_weight_decay(var_list=[variables["bias"]])
    optimizer.scale_rate([variables["slow"]], 0.5)
    optimizer.build(list(variables.values()))
    for _ in range(3):
        gradients = {name: rng.normal(size=s) for name, s in shapes.items()}
        optimizer.apply(
            [keras.ops.cast(gradients[name], dtype) for name in variables],
            list(variables.values()),
        )
        for name in variables:
            values[name], velocities[name] = update(
                values[name],
                velocities[name],
                gradients[name],
                0.05 if name == "slow" else 0.1,
                0.0 if name == "bias" else DECAY,
                momentum,
                nesterov,
            )
    tolerance = {"float32": 1e-5, "float64": 1e-6, "bfloat16": 5e-2}[dtype]
    for name, variable in variables.items():
        value = keras.ops.convert_to_numpy(keras.ops.cast(variable, "float64"))
        np.testing.assert_allclose(
            value, values[name], rtol=tolerance, atol=tolerance, err_msg=name
        )


def test_weights_that_lie_in_another_order():
    """As those of the initializer "orthogonal" do on PyTorch."""
    start = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    turned = keras.ops.transpose(keras.ops.convert_to_tensor(start.T))
    variable = keras.Variable(lambda *args, **kwargs: turned, shape=(6, 5))
    optimizer = keras_css.SGD(0.1, momentum=0.9)
    optimizer.build([variable])
    gradient = np.arange(30, dtype="float32").reshape(6, 5)
    optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(variable), start - 0.1 * gradient, rtol=1e-5
    )


def test_weights_with_gaps_between_their_elements():
    rows = keras.ops.reshape(keras.ops.arange(20, dtype="float32"), (10, 2))
    variable = keras.Variable(lambda *args, **kwargs: rows[:, 0], shape=(10,))
    optimizer = keras_css.SGD(0.1, momentum=0.0)
    optimizer.build([variable])
    optimizer.apply([keras.ops.ones((10,))], [variable])
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(variable), np.arange(0, 20, 2) - 0.1
    )
