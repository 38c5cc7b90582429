"""The short run that several journeys start from."""

from keras_css.runs.checkpoints import read_state
from keras_css.runs.checkpoints import write_state
from keras_css.runs.folder import RunFolder

QUICK = ("--recipe", "digits_demo", "--shrink", "--epochs", "3")


def only_run(place):
    """Returns the folder of the one run that was made in a place."""
    (run,) = (place / "runs").iterdir()
    return run


def forget_last_checkpoint(run):
    """Leaves a run as if it had been killed before its last checkpoint.

    Returns:
        The epochs done by the checkpoint before it.
    """
    (run / "result.json").unlink()
    folder = RunFolder(run)
    before, _ = read_state(folder, print)
    write_state(folder, [before])
    return before["epoch"]
