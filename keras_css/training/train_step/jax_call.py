"""What Keras calls on JAX to take steps, in any of its versions."""

import inspect

import jax
import keras

from keras_css.training.train_step.jax_devices import on_each_device
from keras_css.training.train_step.jax_devices import uneven_named

# The parts of the state that Keras hands to training, evaluation, prediction.
PARTS = {
    4: ("trainable", "non_trainable", "optimizer", "metrics"),
    3: ("trainable", "non_trainable", "metrics"),
    2: ("trainable", "non_trainable"),
}
# From 3.16 on Keras compiles the step where it makes its function, and puts
# the batches of a call into one.
KERAS_STACKS = (
    "out_shardings" in inspect.signature(keras.Model._make_function).parameters
)


class Call:
    """Takes the steps of a call of Keras, up to as many as there are batches.

    Keras takes the weights out of the model while it trains and puts them back
    from its last good state, of which there is none in the first call: an
    error there, such as of the user's data, would leave a model without
    weights. Here it is given one.

    Args:
        model: The `OnlineDistiller`.
        take: Function from `(state, iterator of batches)` to `(logs, state)`.
        times: How often it is called.
    """

    def __init__(self, model, take, times=1):
        self.model = model
        self.times = times
        self._take = take
        self._resident, self._shared = None, {}

    def __call__(self, state, iterator):
        batches = self._batches(iterator)
        for done in range(self.times):
            try:
                logs, state = self._take(state, batches)
            except BaseException as error:
                if done and isinstance(error, StopIteration):
                    break
                self._give_back(state)
                raise
        return logs, state

    @property
    def programs(self):
        """How many programs a loop on the device was compiled to."""
        return self._take.programs

    def _give_back(self, state):
        if not any(leaf.is_deleted() for leaf in jax.tree.leaves(state)):
            self.model._jax_state = {
                f"{part}_variables": values
                for part, values in zip(PARTS[len(state)], state)
            }

    def _batches(self, iterator):
        """Yields batches one by one, with the images that lie on the device."""
        while True:
            try:
                with uneven_named():
                    batch = next(iterator)
            except StopIteration:
                return
            for one in self._apart(batch):
                yield self._with_images(one)

    def _apart(self, batch):
        if isinstance(batch, list):
            # What could not be put into one.
            return batch
        if not self.model.batches_come_stacked:
            return [batch]
        count = len(jax.tree.leaves(batch)[0])
        return (jax.tree.map(lambda x, i=i: x[i], batch) for i in range(count))

    def _with_images(self, batch):
        x, *rest = batch
        if not isinstance(x, dict) or "rows" not in x:
            return batch
        resident = self.model.views.resident
        if resident is not self._resident:
            self._resident = resident
            self._shared = jax.tree.map(on_each_device, resident.fields())
        return ({**x, **self._shared}, *rest)
