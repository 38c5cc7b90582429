"""The short run that several journeys start from."""

from keras_css.runs.checkpoints import read_state
from keras_css.runs.checkpoints import write_state
from keras_css.runs.folder import RunFolder

QUICK = ("--recipe", "digits_demo", "--shrink", "--epochs", "3")


def only_run(place):
    """Returns the folder of the one run that was made in a place."""
    (run,) = (place / "runs").iterdir()
    return run


def forget_after_epoch(run, epoch):
    """Leaves a run as if it had been killed right after an epoch."""
    (run / "result.json").unlink()
    folder = RunFolder(run)
    entries = read_state(folder, print)
    kept = [e for e in entries if e["epoch"] <= epoch]
    assert kept, "the checkpoint of that epoch is gone"
    write_state(folder, kept)
