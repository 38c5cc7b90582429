"""Keeps a recorded step for each shape of a batch."""

import logging

import torch
from torch.utils import _pytree as pytree

from keras_css.training.recording.graph import reuse_memory
from keras_css.training.recording.graph import simplify
from keras_css.training.recording.program import Program
from keras_css.training.recording.trace import restoring
from keras_css.training.recording.trace import trace
from keras_css_runtime.errors import one_line
from keras_css_runtime.errors import shortened

# Shapes of a batch that are recorded; an epoch has one or two.
MOST_SHAPES = 8


class Recorder:
    """Takes steps, by a recording where they can be recorded.

    Args:
        step: Function from a batch to nested dicts of tensors.
        variables: All Keras variables that it may read or change.
        holders: Objects, such as layers, in whose attributes it may not keep
            tensors.
        state, rate: Whatever its owner compares before it goes on with it.
    """

    def __init__(self, step, variables, holders=(), state=None, rate=None):
        self.step = step
        self.holders = list(holders)
        self.state, self.rate = state, rate
        self.variables = list({id(v): v for v in variables}.values())
        self._recordings = {}

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
            self._recordings[key] = self._record(leaves, spec, tensors)
        recording = self._recordings[key]
        return self.step(batch) if recording is None else recording(tensors)

    def _record(self, leaves, spec, tensors):
        if len(self._recordings) >= MOST_SHAPES:
            return None

        def step(tensors):
            given = iter(tensors)
            filled = [None if leaf is None else next(given) for leaf in leaves]
            return self.step(pytree.tree_unflatten(filled, spec))

        try:
            with restoring(self.holders):
                traced = trace(step, self.variables, tensors)
        except Exception as error:
            # Whatever a user's layer does, it trains, if more slowly.
            self._say(error)
            return None
        return Recording(*traced, self.variables)

    def _say(self, error):
        """Says why steps are slow, once."""
        if not any(r is None for r in self._recordings.values()):
            logging.getLogger(__name__).warning(
                "PyTorch's steps are not recorded, and slower: %s",
                shortened(one_line(str(error) or type(error).__name__)),
            )


class Recording:
    """A step on batches of one shape.

    Args:
        module, spec: What `trace` returned.
        variables: The Keras variables that it was recorded with.
    """

    def __init__(self, module, spec, variables):
        simplify(module)
        reuse_memory(module)
        self._spec = spec
        self._program = Program(module)
        needed = self._program.needed
        self._variables = [v for v, use in zip(variables, needed) if use]
        self._tensors = needed[len(variables) :]

    def __call__(self, tensors):
        """Takes the step."""
        values = [variable.value for variable in self._variables]
        values += [t for t, use in zip(tensors, self._tensors) if use]
        return pytree.tree_unflatten(self._program(values), self._spec)
