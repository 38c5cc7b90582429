"""Online knowledge distillation that people can actually use.

Train a few small networks together so that each becomes better than it would
alone, then ship the best one. See `README.md` for twenty lines that do it.
"""

from typing import TYPE_CHECKING
from typing import Any

from keras_css.errors import UserError
from keras_css.networks import MultiBranchNetwork
from keras_css.training import SGD
from keras_css.training import OnlineDistiller
from keras_css.training import WarmupMultiStep
from keras_css.version import __version__

if TYPE_CHECKING:
    from keras_css.deploy import export_onnx

__all__ = [
    "SGD",
    "MultiBranchNetwork",
    "OnlineDistiller",
    "UserError",
    "WarmupMultiStep",
    "__version__",
    "export_onnx",
]


def __getattr__(name: str) -> Any:
    # ONNX and its runtime are imported when they are used.
    if name == "export_onnx":
        from keras_css.deploy import export_onnx

        return export_onnx
    raise AttributeError(f"module 'keras_css' has no attribute '{name}'")
