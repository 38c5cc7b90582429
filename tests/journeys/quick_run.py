"""The short run that several journeys start from."""

import json

QUICK = ("--recipe", "digits_demo", "--shrink", "--epochs", "3")


def only_run(place):
    """Returns the folder of the one run that was made in a place."""
    (run,) = (place / "runs").iterdir()
    return run


def forget_after_epoch(run, epoch):
    """Leaves a run as if it had been killed right after an epoch."""
    (run / "result.json").unlink()
    state = json.loads((run / "checkpoints/state.json").read_text())
    kept = [e for e in state["epochs"] if e["epoch"] <= epoch]
    assert kept, "the checkpoint of that epoch is gone"
    if state["selected"]["epoch"] > epoch:
        state["selected"] = {**kept[-1], "accuracy": 0.0}
    state["epochs"] = kept
    (run / "checkpoints/state.json").write_text(json.dumps(state))
