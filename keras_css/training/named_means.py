"""A metric that keeps the running means of many named values at once."""

import keras
from keras import ops


class NamedMeans(keras.metrics.Metric):
    """Running means of k named scalars in one weight.

    One vector instead of k metrics: the step updates two variables, however
    many branches and terms there are.

    Args:
        names: The k names, in order; `result()` is a dict with these keys.
    """

    def __init__(self, names, **kwargs):
        super().__init__(**kwargs)
        self.names = list(names)
        self.total = self.add_variable(
            shape=(len(self.names),), initializer="zeros", name="total"
        )
        self.count = self.add_variable(
            shape=(), initializer="zeros", name="count"
        )

    def update_state(self, values, sample_weight=1.0):
        """Adds one batch.

        Args:
            values: Dict from name to a scalar, the batch's mean.
            sample_weight: The number of samples the means are taken over.
        """
        weight = ops.cast(sample_weight, self.dtype)
        stacked = ops.stack(
            [ops.cast(values[name], self.dtype) for name in self.names]
        )
        self.total.assign_add(ops.stop_gradient(stacked) * weight)
        self.count.assign_add(weight)

    def result(self):
        means = self.total / ops.maximum(self.count, 1.0)
        return {name: means[i] for i, name in enumerate(self.names)}
