"""SGD, schedule, metric, guard and progress line."""

import io

import keras
import numpy as np
import pytest
import tiny

from keras_css import SGD
from keras_css import UserError
from keras_css import WarmupMultiStep
from keras_css.errors import NonFiniteLossError
from keras_css.training.callbacks import NonFiniteGuard
from keras_css.training.named_means import NamedMeans
from keras_css.training.progress import ProgressLine
from keras_css.training.progress import describe


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_pytorchs_when_the_rate_changes(nesterov):
    """PyTorch's formulas in float64, over five rates, decay coupled."""
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=5), rng.normal(size=(5, 5))
    optimizer = SGD(0.1, momentum=0.9, weight_decay=0.05, nesterov=nesterov)
    weight = keras.Variable(start.astype("float32"))
    optimizer.build([weight])
    expected, velocity = start.copy(), np.zeros(5)
    for rate, gradient in zip([0.1, 0.2, 0.02, 0.5, 0.05], gradients):
        optimizer.learning_rate = rate
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")])
        total = gradient + 0.05 * expected
        velocity = 0.9 * velocity + total
        direction = total + 0.9 * velocity if nesterov else velocity
        expected = expected - rate * direction
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(weight), expected, rtol=1e-5, atol=1e-6
        )


def test_some_weights_have_a_rate_of_their_own():
    """All move as PyTorch's do, those by a tenth of the rate."""
    optimizer = SGD(0.1, momentum=0.9, weight_decay=0.05)
    weights = [keras.Variable(np.ones(3, "float32")) for _ in "ab"]
    optimizer.build(weights)
    optimizer.scale_rate(weights[1:], 0.1)
    gradient = keras.ops.convert_to_tensor(np.float32([0.5, -1.0, 2.0]))
    # While weights differ, so does their decay: one step only.
    optimizer.apply([gradient, gradient])
    full, tenth = (1 - keras.ops.convert_to_numpy(w) for w in weights)
    expected = 0.1 * np.float32([0.55, -0.95, 2.05])
    np.testing.assert_allclose(full, expected, rtol=1e-5)
    np.testing.assert_allclose(tenth, 0.1 * full, rtol=1e-5, atol=1e-7)


@pytest.mark.several
def test_sgd_against_torch_itself():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    start = rng.normal(size=4).astype("float32")
    theirs = torch.nn.Parameter(torch.tensor(start))
    reference = torch.optim.SGD([theirs], 0.1, momentum=0.9, weight_decay=5e-2)
    ours = keras.Variable(start)
    optimizer = SGD(0.1, momentum=0.9, weight_decay=5e-2)
    optimizer.build([ours])
    for rate in (0.1, 0.3, 0.03):
        gradient = rng.normal(size=4).astype("float32")
        reference.param_groups[0]["lr"] = rate
        theirs.grad = torch.tensor(gradient)
        reference.step()
        optimizer.learning_rate = rate
        optimizer.apply([keras.ops.convert_to_tensor(gradient)])
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(ours), theirs.detach(), rtol=1e-5
        )


def test_sgd_leaves_out_what_is_excluded_from_decay():
    optimizer = SGD(0.1, momentum=0.0, weight_decay=0.5)
    kernel = keras.Variable([1.0], name="kernel")
    bias = keras.Variable([1.0], name="bias")
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build([kernel, bias])
    zero = keras.ops.zeros((1,))
    optimizer.apply([zero, zero])
    assert float(kernel.value[0]) == pytest.approx(0.95)
    assert float(bias.value[0]) == 1.0
    config = SGD.from_config(optimizer.get_config())
    assert config.coupled_weight_decay == 0.5
    with pytest.raises(UserError, match="momentum"):
        SGD(momentum=1.0)


def test_schedule_equals_the_reference_in_every_epoch():
    """lr 0.1, 5 warm-up epochs, x0.1 from epochs 150 and 225 of 300."""
    steps = 7
    schedule = WarmupMultiStep(0.1, steps)
    for epoch in [*range(1, 12), 148, 149, 150, 151, 224, 225, 226, 300]:
        expected = 0.1 * min(1, epoch / 5)
        expected *= 0.1 ** ((epoch >= 150) + (epoch >= 225))
        for step in (0, steps - 1):
            found = schedule((epoch - 1) * steps + step)
            assert float(found) == pytest.approx(expected, rel=1e-6)


def test_smooth_warmup_climbs_every_step_to_the_epochs_value():
    schedule = WarmupMultiStep(0.1, 10, warmup_epochs=5, smooth_warmup=True)
    rates = [float(schedule(step)) for step in range(60)]
    np.testing.assert_allclose(np.diff(rates[:50]), 0.002, rtol=1e-3)
    for epoch in range(1, 6):
        assert rates[10 * epoch - 1] == pytest.approx(0.02 * epoch, rel=1e-5)
    assert rates[50:] == pytest.approx([0.1] * 10)
    with pytest.raises(UserError, match="ascend"):
        WarmupMultiStep(0.1, 10, milestones=(5, 3))


def test_schedule_is_followed_by_a_compiled_training():
    x, y = tiny.images(16)
    schedule = WarmupMultiStep(0.1, 2, warmup_epochs=2, milestones=(3,))
    distiller = tiny.cohort(optimizer=SGD(schedule))
    rates = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: rates.append(
            float(keras.ops.convert_to_numpy(schedule(2 * epoch + 1)))
        )
    )
    distiller.fit(x, y, batch_size=8, epochs=3, verbose=0, callbacks=[note])
    assert rates == pytest.approx([0.05, 0.1, 0.01])
    assert int(distiller.optimizer.iterations.value) == 6


def test_named_means_weigh_batches_by_their_size():
    metric = NamedMeans(["one", "two"])
    metric.update_state({"one": 1.0, "two": 10.0}, 3)
    metric.update_state({"two": 20.0, "one": 5.0}, 1)
    result = {name: float(value) for name, value in metric.result().items()}
    assert result == pytest.approx({"one": 2.0, "two": 12.5})


def test_the_guard_names_epoch_step_and_term():
    x, y = tiny.images(12)
    x[9] = np.nan
    distiller = tiny.cohort()
    with pytest.raises(NonFiniteLossError) as caught:
        distiller.fit(
            x,
            y,
            batch_size=4,
            epochs=2,
            shuffle=False,
            verbose=0,
        )
    assert "'network_a/ce' became nan in epoch 1, step 3" in str(caught.value)


def test_the_guard_names_the_steps_of_a_call():
    """Keras counts a call's steps in full, also in a short last call."""
    guard = NonFiniteGuard()
    guard.set_params({"steps": 5})
    guard.on_epoch_begin(0)
    guard.on_train_batch_begin(3)
    with pytest.raises(NonFiniteLossError, match="epoch 1, steps 4 to 5:"):
        guard.on_train_batch_end(5, {"loss": float("nan")})


def test_an_epochs_last_update_is_guarded_too():
    """The loss before it was finite, the weights after it are not."""
    x, y = tiny.images(4)
    distiller = tiny.cohort(optimizer=SGD(1e38))
    with pytest.raises(NonFiniteLossError, match="epoch 1, validation"):
        distiller.fit(x, y, batch_size=4, validation_data=(x, y), verbose=0)


def test_progress_fits_a_line_and_shows_every_student(monkeypatch):
    monkeypatch.setenv("COLUMNS", "110")

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    x, y = tiny.images(16)
    distiller = tiny.cohort()
    line = ProgressLine(1, terminal)
    distiller.fit(
        x,
        y,
        batch_size=8,
        epochs=2,
        validation_data=(x, y),
        verbose=0,
        callbacks=[line],
    )
    written = terminal.getvalue()
    assert "epoch 2/2  step 2/2" in written
    for part in written.replace("\n", "\r").split("\r"):
        assert len(part) <= 110
    assert written.count("\n") == 4
    for word in ("loss", "ensemble", "| a ", "| b ", "train", "val"):
        assert word in written.split("\n")[-2] + written.split("\n")[-3]


def test_description_in_short():
    logs = {
        "loss": 2.3456,
        "network_a/ce": 1.0,
        "network_a/branch_0/accuracy": 0.5,
        "network_a/branch_1/accuracy": 0.25,
        "network_a/accuracy": 0.75,
        "ensemble/accuracy": 1.0,
        "val_network_a/accuracy": 0.1,
    }
    assert describe(logs) == "loss 2.35 | ensemble 1.000 | a .750 (.500 .250)"
