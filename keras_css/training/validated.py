"""Which weights the measured accuracies belong to."""

import hashlib

import keras

from keras_css.errors import UserError


class Validated(keras.callbacks.Callback):
    """Keeps every student's accuracy for the weights that were validated.

    After `fit`, weights may be those of an earlier epoch (early stopping, a
    checkpoint), averages of several, or others; what was measured last then
    says nothing of them. `OnlineDistiller.fit` puts it first: later callbacks
    may take averaged weights out again when validation ends.

    Args:
        validation_data, batch_size, validation_batch_size, validation_steps:
            Arguments of `fit`; others are not looked at.
    """

    def __init__(
        self,
        validation_data=None,
        batch_size=None,
        validation_batch_size=None,
        validation_steps=None,
        **others,
    ):
        super().__init__()
        self._accuracies = {}
        # Arguments of `evaluate`.
        self.data = (
            None
            if validation_data is None
            else {
                **as_arguments(validation_data),
                "batch_size": validation_batch_size or batch_size,
                "steps": validation_steps,
            }
        )

    def keep(self, x, y, batch_size, sample_weight=None, steps=None, **others):
        """Keeps what `fit` validates on; it may have split that off itself."""
        self.data = {
            **{"x": x, "y": y, "batch_size": batch_size},
            **{"sample_weight": sample_weight, "steps": steps},
        }

    def on_test_end(self, logs=None):
        self._accuracies[fingerprint(self.model)] = student_accuracies(
            self.model, logs
        )

    def accuracies(self, distiller, wanted):
        """Returns validation accuracies as they are now, as of `measure`.

        Measured again where no epoch ended with these weights.

        Args:
            distiller: The `OnlineDistiller`.
            wanted: The student that is asked for, for messages.

        Raises:
            UserError: If nothing was kept that says how good they are.
        """
        if known := self._accuracies.get(fingerprint(distiller)):
            return known
        if self.data is None or hasattr(self.data["x"], "__next__"):
            raise UserError(
                f"The '{wanted}' student is chosen on validation data, and "
                "none is kept that these weights could be measured on: call "
                f"student('{wanted}', validation_data=(x, y)), fit with "
                "validation_data or validation_split (no generator), or name "
                f"one of {', '.join(distiller.method.student_parts())}."
            )
        return measure(distiller, self.data)


def measure(distiller, data):
    """Returns dict from student name to accuracy, and the number of images.

    Args:
        distiller: A built `OnlineDistiller`.
        data: Arguments of its `evaluate`.

    Raises:
        UserError: If it is not compiled.
    """
    if not distiller.compiled:
        raise UserError(
            "A cohort is measured after compile(), received one that is not "
            "compiled: call compile(), or name a student."
        )
    logs = distiller.evaluate(**data, verbose=0, return_dict=True)
    return student_accuracies(distiller, logs)


def student_accuracies(distiller, logs):
    """Returns as `measure` does, from the logs of what was measured last."""
    accuracies = {
        name: float(logs[f"{name}/accuracy"])
        for name in distiller.method.student_parts()
    }
    counted = keras.ops.convert_to_numpy(distiller.accuracy_means.count)
    return accuracies, int(counted)


def as_arguments(data):
    """Returns validation data, in a form that `fit` takes, for `evaluate`."""
    if not isinstance(data, (tuple, list)):
        return {"x": data}
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(tuple(data))
    return {"x": x, "y": y, "sample_weight": sample_weight}


def fingerprint(distiller):
    """Returns a digest of all weights that students are made of."""
    digest = hashlib.sha256()
    networks = {**distiller.named_networks, **distiller.method.own_networks}
    for network in networks.values():
        for weight in network.weights:
            value = keras.ops.convert_to_numpy(weight)
            digest.update(value.tobytes())
    return digest.digest()
