"""The methods, by name: how the networks of a cohort teach each other."""

from keras_css.errors import UserError
from keras_css.methods.channel_distillation import ChannelDistillation
from keras_css.methods.cl_ilr import CLILR
from keras_css.methods.cs_kd import CSKD
from keras_css.methods.css import CSS
from keras_css.methods.dist import DIST
from keras_css.methods.dkd import DKD
from keras_css.methods.dml import DML
from keras_css.methods.ffl import FFL
from keras_css.methods.hssakd import HSSAKD
from keras_css.methods.independent import Independent
from keras_css.methods.kd import KD
from keras_css.methods.kdcl import KDCL
from keras_css.methods.method import Method
from keras_css.methods.okddip import OKDDip
from keras_css.methods.okddip import OKDDipNetworks
from keras_css.methods.one import ONE
from keras_css.methods.pcl import PCL
from keras_css.methods.sskd import SSKD
from keras_css.methods.switokd import SwitOKD
from keras_css.registry import Registry

METHODS = Registry(
    "method",
    {
        "css": CSS,
        "independent": Independent,
        "dml": DML,
        "cl_ilr": CLILR,
        "one": ONE,
        "okddip": OKDDip,
        "okddip_networks": OKDDipNetworks,
        "pcl": PCL,
        "kdcl": KDCL,
        "ffl": FFL,
        "hssakd": HSSAKD,
        "cs_kd": CSKD,
        "kd": KD,
        "channel_distillation": ChannelDistillation,
        "sskd": SSKD,
        "dkd": DKD,
        "dist": DIST,
        "switokd": SwitOKD,
    },
)


def get(method):
    """Returns a method from its name, or the one that is given.

    Raises:
        UserError: If the name is unknown or the object is no method.
    """
    if isinstance(method, str):
        return METHODS.get(method)()
    if isinstance(method, Method):
        return method
    raise UserError(
        "A method must be a known name or a keras_css.methods.Method. "
        f"Received: method={method!r}"
    )


def name_of(method):
    """Returns the name of a method in `METHODS`, else that of its class."""
    for name in METHODS.names():
        if METHODS.get(name) is type(method):
            return name
    return type(method).__name__


__all__ = [
    "CLILR",
    "CSKD",
    "CSS",
    "DIST",
    "DKD",
    "DML",
    "FFL",
    "HSSAKD",
    "KD",
    "KDCL",
    "METHODS",
    "ONE",
    "PCL",
    "SSKD",
    "ChannelDistillation",
    "Independent",
    "Method",
    "OKDDip",
    "OKDDipNetworks",
    "SwitOKD",
    "get",
    "name_of",
]
