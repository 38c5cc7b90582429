"""Many steps in one compiled call on JAX."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp

from keras_css.data.resident import SHARED_FIELD


class StepLoop:
    """Takes up to `most` steps in one call of one compiled program.

    The number of steps is an argument of the program, so that the shorter
    last call of an epoch runs in it, too. Batches of another shape have a
    program of their own.

    Args:
        step: Function from `(state, batch)` to `(logs, state)`; the metrics
            are the last part of a state.
        most: Most steps a call.
        logs_of: Function from the values of all metrics to the logs.
    """

    def __init__(self, step, most, logs_of):
        self.most = most
        self._lengths = {}

        @partial(jax.jit, donate_argnums=0)
        def run(state, batches, shared, count):
            stacked = jax.tree.map(lambda *parts: jnp.stack(parts), *batches)

            def take_step(i, state):
                batch = jax.tree.map(lambda parts: parts[i], stacked)
                return step(state, _with_shared(batch, shared))[1]

            state = jax.lax.fori_loop(0, count, take_step, state)
            return logs_of(state[-1]), state

        self._run = run

    def __call__(self, state, iterator):
        """Takes the steps of the next batches, as many as there are.

        Args:
            state: Lists of arrays, as of the step.
            iterator: Of batches `(x, y)` or `(x, y, sample_weight)`.

        Returns:
            `(logs, state)` after the last step.

        Raises:
            StopIteration: If there is no batch left.
        """
        batches = [next(iterator)]
        batches += itertools.islice(iterator, self.most - 1)
        for shapes, group in itertools.groupby(batches, _shapes):
            logs, state = self._take(state, shapes, list(group))
        return logs, state

    @property
    def programs(self):
        """How many programs were compiled."""
        return self._run._cache_size()

    def _take(self, state, shapes, batches):
        count = len(batches)
        length = max(count, self._lengths.get(shapes, 0))
        self._lengths[shapes] = length
        shared = _shared(batches[0])
        own = [_without_shared(batch) for batch in batches]
        own += own[-1:] * (length - count)
        return self._run(state, own, shared, count)


def _shapes(batch):
    leaves, structure = jax.tree.flatten(batch)
    return structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)


def _shared(batch):
    x = batch[0]
    return x.get(SHARED_FIELD) if isinstance(x, dict) else None


def _without_shared(batch):
    x, *rest = batch
    if isinstance(x, dict):
        x = {key: value for key, value in x.items() if key != SHARED_FIELD}
    return (x, *rest)


def _with_shared(batch, shared):
    if shared is None:
        return batch
    x, *rest = batch
    return ({**x, SHARED_FIELD: shared}, *rest)
