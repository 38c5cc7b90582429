"""One training step, written for each backend.

`TrainStep` is the one of the running backend. All three do the same: forward
pass, the loss of `compute_loss`, gradients, the optimizer, the method's own
state, metrics. They differ because JAX's step is stateless. Each refuses
several copies of the weights (`refuse_replicas`), too, and opens the scope in
which variables are made (`building`); `processes` counts those that train
together.
"""

import keras

from keras_css.errors import UserError

if keras.backend.backend() not in ("tensorflow", "jax", "torch"):
    raise UserError(
        "keras_css trains on the Keras backends tensorflow, jax and torch, "
        f"received {keras.backend.backend()}: set KERAS_BACKEND."
    )
if keras.backend.backend() == "jax":
    from keras_css.training.train_step.jax import TrainStep
    from keras_css.training.train_step.jax import processes
elif keras.backend.backend() == "torch":
    from keras_css.training.train_step.torch import TrainStep
    from keras_css.training.train_step.torch import processes
else:
    from keras_css.training.train_step.tensorflow import TrainStep
    from keras_css.training.train_step.tensorflow import processes

__all__ = ["TrainStep", "processes"]
