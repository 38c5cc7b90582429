"""Every method trains a step in float64; `test_float64.py` runs this file.

But for those whose steps are held to their authors' beside it. Losses and
gradients of all variants are held to formulas.
"""

import keras
import numpy as np
import pytest
import tiny

from keras_css import OnlineDistiller
from keras_css.methods import CSS
from keras_css.methods import KDCL
from keras_css.methods import METHODS

# With a ramp-up, a loop and a state, which these do not have by default.
VARIED = {
    "css": lambda: CSS(variant="main_branch", ramp_up_epochs=4),
    "kdcl": lambda: KDCL(target="linear", ramp_up_epochs=4),
    "kdcl general": lambda: KDCL(target="general", ramp_up_epochs=4),
}
GOLDEN = ("channel_distillation", "hssakd", "okddip", "one", "sskd")
NAMES = [n for n in METHODS.names() if n not in GOLDEN] + ["kdcl general"]


@pytest.mark.parametrize("name", NAMES)
def test_a_step_in_float64(name):
    assert keras.config.floatx() == "float64"
    method = VARIED[name]() if name in VARIED else METHODS.get(name)()
    distiller = OnlineDistiller(
        [
            tiny.network(**method.network_defaults)
            for _ in range(method.cohort_size)
        ],
        method,
        teachers=tiny.teachers(method),
    )
    distiller.compile()
    images, labels = tiny.images(4)
    distiller.build((None, *images.shape[1:]))
    trained = distiller.trainable_variables
    before = [keras.ops.convert_to_numpy(weight) for weight in trained]
    distiller.epoch.assign(2.0)
    losses, compute = [], distiller.compute_loss

    def compute_loss(*args, **kwargs):
        losses.append(compute(*args, **kwargs))
        return losses[-1]

    distiller.compute_loss = compute_loss
    weight = np.array([0.5, 1.0, 1.5, 1.0])
    logs = distiller.train_on_batch(
        images.astype("float64"), labels, sample_weight=weight, return_dict=True
    )
    assert np.isfinite(float(logs["loss"]))
    for variable, old in zip(trained, before):
        new = keras.ops.convert_to_numpy(variable)
        assert new.dtype == "float64", variable.path
        assert np.any(new != old), variable.path
    assert losses
    for loss in losses:
        assert keras.backend.standardize_dtype(loss.dtype) == "float64"
