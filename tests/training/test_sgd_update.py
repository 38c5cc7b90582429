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


# JAX has none, and says so.
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype float64")
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
        value = keras.ops.convert_to_numpy(keras.ops.cast(variable, "float32"))
        np.testing.assert_allclose(
            value, values[name], rtol=tolerance, atol=tolerance, err_msg=name
        )


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("turned", ["weight", "gradient", "all"])
def test_weights_that_lie_in_another_order(turned, momentum):
    """As those of the initializer "orthogonal" do on PyTorch, and kernels."""
    rng = np.random.default_rng(0)
    start, *gradients = rng.normal(size=(3, 6, 5)).astype("float32")

    def tensor(array, *names):
        if turned in names:
            turned_array = keras.ops.convert_to_tensor(array.T.copy())
            return keras.ops.transpose(turned_array)
        return keras.ops.convert_to_tensor(array)

    value = tensor(start, "weight", "all")
    variable = keras.Variable(lambda *args, **kwargs: value, shape=(6, 5))
    optimizer = keras_css.SGD(0.1, momentum=momentum)
    optimizer.build([variable])
    if turned == "all" and momentum and keras.backend.backend() == "torch":
        velocity = optimizer.velocities[0].value
        velocity.data = velocity.data.T.contiguous().T
    expected, velocity = start, 0.0
    for gradient in gradients:
        optimizer.apply([tensor(gradient, "gradient", "all")], [variable])
        expected, velocity = update(
            expected, velocity, gradient, 0.1, 0.0, momentum, False
        )
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(variable), expected, rtol=1e-5, atol=1e-6
    )


def test_weights_with_gaps_between_their_elements():
    rows = keras.ops.reshape(keras.ops.arange(20, dtype="float32"), (10, 2))
    variable = keras.Variable(lambda *args, **kwargs: rows[:, 0], shape=(10,))
    if keras.backend.backend() == "torch":
        assert variable.value.stride() == (2,)
    optimizer = keras_css.SGD(0.1, momentum=0.0)
    optimizer.build([variable])
    optimizer.apply([keras.ops.ones((10,))], [variable])
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(variable), np.arange(0, 20, 2) - 0.1
    )
