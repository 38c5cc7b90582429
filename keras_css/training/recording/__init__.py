"""The training step on PyTorch, recorded once and replayed.

Keras' layers and autograd cost more time on the host than small operations
take. So the first step on batches of some shape is recorded, as PyTorch's
operations on tensors; all steps run that list.

`trace` records a step as a graph, `graph` leaves out what changes no value,
`program` makes a function of it and `recorder` keeps one for each shape.
"""

from keras_css.training.recording.recorder import Recorder

__all__ = ["Recorder"]
