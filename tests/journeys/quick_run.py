"""The short run that several journeys start from."""

QUICK = (
    *("--dataset", "digits", "--network_a", "resnet8", "--network_b"),
    *("resnet8", "--branches", "2", "--epochs", "3"),
)


def only_run(place):
    """Returns the folder of the one run that was made in a place."""
    (run,) = (place / "runs").iterdir()
    return run
