"""The networks that train together."""

from keras_css.networks.multi_branch import MultiBranchNetwork

__all__ = ["MultiBranchNetwork"]
