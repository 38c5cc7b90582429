"""Equal training compute: epochs that follow from measured steps."""

import json

import pytest

from keras_css import UserError
from keras_css.comparison.budget import epochs_for_equal_compute
from keras_css.comparison.cell import make_cells
from keras_css.comparison.processes import measured
from keras_css.runs import RunConfig
from keras_css.runs import estimate as estimate_module
from keras_css.runs.estimate import Estimate
from keras_css.runs.estimate import estimate

pytestmark = pytest.mark.once

STEP_SECONDS = {"independent": 0.013, "css": 0.047, "hssakd": 0.112}


def epochs_of(out_dir, methods, seeds=(0,), asked=None):
    """Returns a dict from method to epochs; 30 steps an epoch, 60 epochs."""

    def measure(cell):
        if asked is not None:
            asked.append(cell.method)
        return Estimate(STEP_SECONDS[cell.method], 30, 60)

    cells = make_cells(out_dir, ["digits"], methods, seeds)
    found = epochs_for_equal_compute(out_dir, cells, measure, lambda line: None)
    assert set(found) == set(cells)
    return {cell.method: epochs for cell, epochs in found.items()}


def test_every_method_costs_what_the_dearest_does(tmp_path):
    epochs = epochs_of(tmp_path, list(STEP_SECONDS))
    assert epochs["hssakd"] == 60
    budget = 60 * 30 * STEP_SECONDS["hssakd"]
    for method, number in epochs.items():
        cost = number * 30 * STEP_SECONDS[method]
        assert cost == pytest.approx(budget, rel=0.05)


def test_steps_are_measured_once(tmp_path):
    """A dearer method that is named later gets what the others have."""
    asked = []
    first = epochs_of(tmp_path, ["independent", "css"], (0, 1), asked)
    assert asked == ["independent", "css"]
    assert first == {"independent": 217, "css": 60}
    again = epochs_of(tmp_path, ["css", "independent", "hssakd"], (2,), asked)
    assert asked == ["independent", "css", "hssakd"]
    assert again == {**first, "hssakd": 25}


def test_what_cannot_be_is_refused(tmp_path):
    (cell,) = make_cells(tmp_path, ["digits"], ["css:epochs=9"], [0])
    with pytest.raises(UserError, match="leave epochs=9 out"):
        epochs_for_equal_compute(tmp_path, [cell], None, None)
    (tmp_path / "budget.json").write_text(json.dumps({"digits": {}}))
    with pytest.raises(UserError, match="remove it, and they are measured"):
        epochs_of(tmp_path, ["css"])
    with pytest.raises(UserError, match=r"must be measured.*no luck"):
        measured(["sh", "-c", "echo error: no luck >&2; exit 2"], None)


def test_steps_of_a_run_are_measured_without_a_trace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(estimate_module, "WARM_UP_SECONDS", 0.05)
    monkeypatch.setattr(estimate_module, "BLOCK_SECONDS", 0.05)
    config = RunConfig(
        method="independent", network_a="resnet8", batch_size=64, steps=101
    )
    found = estimate(config, lambda line: None)
    assert (found.steps_per_epoch, found.epochs) == (20, 6)
    assert 1e-4 < found.step_seconds < 10
    assert Estimate.read(found.describe()) == Estimate(
        pytest.approx(found.step_seconds, abs=1e-6), 20, 6
    )
    assert list(tmp_path.iterdir()) == []
    assert Estimate.read("nothing of the kind") is None
