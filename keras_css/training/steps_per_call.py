"""How many steps training takes between two looks at the metrics."""

import math

from keras_css_runtime.settings import COUNT

# More save little and make the line of progress jump.
MOST_STEPS = 32
MOST_BYTES = 2**28


def decide_steps_per_call(asked, distiller, batches):
    """Returns the steps that a call takes.

    Many where the images lie on an accelerator, which else waits for the host
    after each step. Evaluation's images come from the host: those of a call
    stay below 256 MB.

    Args:
        asked: What the user wants, or None.
        distiller: The `OnlineDistiller`.
        batches: Its `TrainingBatches`.

    Raises:
        UserError: If it is out of range.
    """
    if asked is not None:
        COUNT.check("--steps_per_call", asked)
        return asked
    if not distiller.on_accelerator or batches.resident is None:
        return 1
    batch_bytes = batches.batch_size * math.prod(batches.image_shape)
    most = min(MOST_STEPS, MOST_BYTES // batch_bytes, len(batches))
    return max(1, most)
