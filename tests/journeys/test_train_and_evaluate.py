"""train.py and evaluate.py as a user types them, on real digits."""

import csv
import hashlib
import json
import pathlib
import re
import shutil

import keras
import numpy as np
import pytest
from npz_file import npz
from quick_run import QUICK
from quick_run import only_run

from keras_css.errors import ProofError
from keras_css.runs.checkpoints import read_state
from keras_css.runs.evaluate import check_same_figures
from keras_css.runs.folder import RunFolder


def test_the_run_folder_is_complete(trained):
    place, printed = trained
    run = only_run(place)
    assert run.name == f"digits-css-{keras.backend.backend()}-1"
    for name in (
        *("config.json", "history.csv", "result.json", "report.html"),
        *("agreement.json", "thumbnails.json", "checkpoints/state.json"),
        *("models/network_a.keras", "models/network_b.keras"),
    ):
        assert (run / name).stat().st_size > 0, name
    assert list((run / "logs").glob("events.out.tfevents.*"))
    assert not list(run.rglob(".part-*")), "temporary folders left behind"
    assert f"run folder: {run.relative_to(place)}" in printed
    assert "diversity of the branches: released_all" in printed
    assert "agreement of the branches: disagreement" in printed
    report = (run / "report.html").read_text("utf-8")
    assert report.count("<svg") == 4, "how sure, and three of the training"
    assert report.count("data:image/png") > 40, "digits"
    assert "Disagreement of branches" in report
    assert f"--run_dir {run.relative_to(place)}" in report


def test_the_result_says_what_the_design_promises(trained):
    place, printed = trained
    run = only_run(place)
    result = json.loads((run / "result.json").read_text())
    assert set(result) == {
        *("method", "dataset", "class_names", "backend", "seed", "epochs"),
        *("parameters", "student_parameters", "rollbacks"),
        *("train", "validation", "test", "calibration_error", "diversity"),
        *("best_student", "most_accurate", "answers", "selected_epoch"),
        *("seconds", "images_per_second"),
    }
    students = {
        *(f"network_{n}/branch_{i}" for n in "ab" for i in range(2)),
        *("network_a/main", "network_b/main"),
        *("network_a", "network_b", "ensemble"),
    }
    assert set(result["student_parameters"]) == students
    selected = result["selected_epoch"]
    for part in ("validation", "test"):
        for accuracies in (result[part], selected[part]):
            assert set(accuracies) == students
            assert all(0 <= a <= 1 for a in accuracies.values())
    errors = result["calibration_error"]
    assert set(errors) == students
    assert all(0 < error < 1 for error in errors.values())
    assert f"{errors['ensemble']:.4f}" in printed
    answers, best = result["answers"], result["best_student"]
    assert answers["student"] == best
    assert answers["accuracy"] == result["test"][best]
    assert answers["calibration"]["error"] == errors[best]
    assert sum(answers["classes"]["images"]) == answers["images"] == 359
    assert sum(answers["classes"]["training_images"]) == 1295
    assert f"{best} on test: {sum(answers['classes']['right'])} of" in printed
    agreement = json.loads((run / "agreement.json").read_text())
    branches = [name for name in result["test"] if "/" in name]
    assert agreement["students"] == branches
    for measure, mean in agreement["means"].items():
        assert result["diversity"][measure] == mean
        assert np.shape(agreement["pairs"][measure]) == (6, 6)
    wrong = np.diag(agreement["pairs"]["double_fault"])
    assert [1 - result["test"][name] for name in branches] == pytest.approx(
        wrong
    )
    best = max(result["validation"].values())
    top = result["most_accurate"]
    assert result["validation"][top["student"]] == best
    chosen = result["validation"][result["best_student"]]
    assert best - chosen == pytest.approx(top["ahead"])
    assert top["ahead"] <= top["noise"]
    assert f"best: {result['best_student']}, the " in printed
    assert result["test"]["ensemble"] > 0.5, "three epochs on digits"
    assert f"{result['test']['ensemble']:.4f}" in printed
    with open(run / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates == pytest.approx([0.05, 0.005, 0.0005])
    by_epoch = [
        max(
            float(value)
            for name, value in row.items()
            if name.startswith("val_") and name.endswith("/accuracy")
        )
        for row in rows
    ]
    assert by_epoch[selected["epoch"] - 1] == max(by_epoch)
    # The last row was measured by the training, result.json by itself.
    last = float(rows[-1]["val_ensemble/accuracy"])
    assert result["validation"]["ensemble"] == pytest.approx(last, abs=1e-6)


@pytest.mark.once
def test_evaluate_finds_the_same_numbers(trained, command):
    place, _ = trained
    run = only_run(place)
    done = command("scripts/evaluate.py", "--run_dir", run, "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    result = json.loads((run / "result.json").read_text())
    assert found["test"] == result["test"]
    assert found["validation"] == result["validation"]
    for name, value in result["diversity"].items():
        assert found["diversity"][name] == pytest.approx(value, abs=1e-4)
    assert found["answers"]["confusion"] == result["answers"]["confusion"]
    for name, error in result["calibration_error"].items():
        assert found["calibration_error"][name] == pytest.approx(error, 1e-3)


@pytest.mark.once
def test_evaluate_ends_with_an_error_if_it_finds_other_numbers(trained, call):
    run = pathlib.Path(shutil.copytree(only_run(trained[0]), "spoiled"))
    result = json.loads((run / "result.json").read_text())
    right = result["test"]["ensemble"]
    result["test"]["ensemble"] = right - 0.4
    (run / "result.json").write_text(json.dumps(result))
    code, out, err = call("evaluate", "--run_dir", run, "--json")
    assert code == 1
    (line,) = [x for x in err.splitlines() if x.startswith("error: ")]
    assert f"ensemble has {right:.4f} on test instead of {right - 0.4:.4f}" in (
        line
    )
    assert "of 359 images rounding may change 0" in line
    found = json.loads(out)
    assert found["test"]["ensemble"] == right
    # One answer that another backend may give, and the run's own may not.
    found["stored"]["test"]["ensemble"] = right - 1 / 359
    with pytest.raises(ProofError, match="instead of"):
        check_same_figures(found)
    found["stored"]["backend"] = "another"
    check_same_figures(found)
    found["stored"]["test"]["ensemble"] = right - 2 / 359
    with pytest.raises(ProofError, match="instead of"):
        check_same_figures(found)


def test_the_folder_of_a_run_is_never_used_again(trained, call):
    place, _ = trained
    run = only_run(place)
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    code, _, error = call("train", *QUICK, "--run_dir", run)
    assert code == 2
    assert "already holds a run" in error
    assert error.count("\n") == 1
    after = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    assert after == before


def read_rows(run):
    with open(run / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.once
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(
    trained, call
):
    place, _ = trained
    part = place / "damaged"
    shutil.copytree(only_run(place), part)
    (part / "result.json").unlink()
    before, _ = read_state(RunFolder(part), print)
    newest = part / "checkpoints" / "epoch_0003.npz"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    code, said, error = call("train", "--run_dir", part, "--resume")
    assert code == 0, error
    assert "epoch_0003.npz is damaged" in said
    assert f"resuming after epoch {before['epoch']}" in said
    assert (part / "result.json").exists()


@pytest.mark.once
def test_a_users_own_npz_and_a_single_network(call, tmp_path):
    """With --resume where there is nothing yet, as a job script would."""
    path = npz(tmp_path / "mine.npz")
    code, said, error = call(
        "train",
        *("--dataset", "npz", "--data_dir", path, "--network_a", "resnet8"),
        *("--network_b", "none", "--method", "independent", "--epochs", "1"),
        *("--run_dir", tmp_path / "run", "--resume"),
    )
    assert code == 0, error
    assert "starting from the beginning" in said
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert set(result["test"]) == {"network_a", "network_a/branch_0"}
    assert set(result["diversity"].values()) == {None}, "nothing to compare"
    assert "diversity of the branches: one branch" in said
    report = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "Disagreement of branches" not in report


DIVERGES = (
    *("--network_a", "resnet8", "--network_b", "none", "--method"),
    *("independent", "--batch_size", "8", "--epochs", "12"),
    *("--warmup_epochs", "0", "--lr_milestones", "100"),
    *("--learning_rate", "1", "--weight_decay", "5", "--momentum", "0"),
)


@pytest.mark.once
def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(
    call, tmp_path
):
    """Weight decay of 5 at rate 1 makes weights 4 times larger a step."""
    run = tmp_path / "run"
    code, _, error = call(
        "train",
        *("--dataset", "npz", "--data_dir", npz(tmp_path / "mine.npz")),
        *DIVERGES,
        *("--run_dir", run),
    )
    assert code == 2
    ended = re.search(
        r"(network_a/ce' became (nan|inf)|one became NaN or infinite)"
        r" in epoch (\d+), ",
        error,
    )
    assert ended, error
    assert not (run / "result.json").exists()
    state = json.loads((run / "checkpoints" / "state.json").read_text())
    last = state["epochs"][-1]
    assert last["epoch"] < int(ended[3])
    content = (run / "checkpoints" / last["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == last["sha256"]
    rows = read_rows(run)
    # The epoch may have ended before its weights were found unfit.
    assert int(ended[3]) - len(rows) in (0, 1)


@pytest.mark.once
def test_a_rollback_goes_on_with_a_lower_rate(call, tmp_path):
    """A quarter of the rate shrinks weights instead of blowing them up."""
    run = tmp_path / "run"
    code, said, error = call(
        "train",
        *("--dataset", "npz", "--data_dir", npz(tmp_path / "mine.npz")),
        *(*DIVERGES, "--run_dir", run, "--on_nonfinite", "rollback"),
    )
    assert code == 0, error
    result = json.loads((run / "result.json").read_text())
    count = len(result["rollbacks"])
    assert 1 <= count <= 3
    assert f"Rollback {count} of at most 3" in said
    rates = [float(row["learning_rate"]) for row in read_rows(run)]
    assert len(rates) == 12
    assert rates[0] == 1
    assert rates[-1] == 0.5**count
