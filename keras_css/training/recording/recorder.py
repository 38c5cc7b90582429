"""Keeps a recorded step for each shape of a batch."""

import logging

import torch
from torch.utils import _pytree as pytree

from keras_css.training.recording.graph import reuse_memory
from keras_css.training.recording.graph import simplify
from keras_css.training.recording.program import Program
from keras_css.training.recording.trace import trace

# Shapes of a batch that are recorded; an epoch has one or two.
MOST_SHAPES = 8


class Recorder:
    """Takes steps, by a recording where they can be recorded.

    Args:
        step: Function from a batch to nested dicts of tensors.
        variables: All Keras variables that it may read or change.
    """

    def __init__(self, step, variables):
        self.step = step
        self.variables = list({id(v): v for v in variables}.values())
        self._trainable = [v.trainable for v in self.variables]
        self._recordings = {}

    def suits(self, variables):
        """Returns whether these are the variables, frozen or not as before."""
        own = {id(v): t for v, t in zip(self.variables, self._trainable)}
        return own == {id(v): v.trainable for v in variables}

    def __call__(self, batch):
        """Does with a batch what the step does."""
        leaves, spec = pytree.tree_flatten(batch)
        tensors = [leaf for leaf in leaves if leaf is not None]
        if not all(isinstance(leaf, torch.Tensor) for leaf in tensors):
            return self.step(batch)
        key = (
            spec,
            *(leaf is None for leaf in leaves),
            *((t.shape, t.stride(), t.dtype, t.device) for t in tensors),
        )
        if key not in self._recordings:
            self._recordings[key] = self._record(leaves, spec)
        recording = self._recordings[key]
        return self.step(batch) if recording is None else recording(tensors)

    def _record(self, leaves, spec):
        if len(self._recordings) >= MOST_SHAPES:
            return None
        tensors = [leaf for leaf in leaves if leaf is not None]

        def step(tensors):
            given = iter(tensors)
            filled = [None if leaf is None else next(given) for leaf in leaves]
            return self.step(pytree.tree_unflatten(filled, spec))

        try:
            return Recording(step, self.variables, tensors)
        except Exception as error:
            # Whatever a user's layer does, it trains, if more slowly.
            logging.getLogger(__name__).info("steps not recorded: %s", error)
            return None


class Recording:
    """A step on batches of one shape.

    Args:
        step: Function from a list of tensors to nested dicts of tensors.
        variables: List of Keras variables that it may read and change.
        tensors: List of tensors, a batch.

    Raises:
        Exception: If it cannot be recorded.
    """

    def __init__(self, step, variables, tensors):
        module, self._spec = trace(step, variables, tensors)
        simplify(module)
        reuse_memory(module)
        self._program = Program(module)
        needed = self._program.needed
        self._variables = [v for v, use in zip(variables, needed) if use]
        self._tensors = needed[len(variables) :]

    def __call__(self, tensors):
        """Takes the step."""
        values = [variable.value for variable in self._variables]
        values += [t for t, use in zip(tensors, self._tensors) if use]
        return pytree.tree_unflatten(self._program(values), self._spec)
