"""compare.py on a folder of pictures, as a user types it, up to what ships."""

import csv
import json
import pathlib
import shlex
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).parents[2]
BACKEND = keras.backend.backend()
# As the user names it, from where the pictures lie.
PHOTOS = "folder=photos"
RECIPE = (
    *("--dataset", PHOTOS, "--image_size", "8"),
    *("--network_a", "resnet8", "--network_b", "resnet8", "--epochs", "1"),
    *("--branches", "1", "--transformation", "none", "--nojoint_labels"),
    *("--batch_size", "16", "--backend", BACKEND, "--jobs", "2"),
)
# At such a temperature the loss is not finite.
FAILING = "css:temperature=1e-60"


@pytest.fixture(scope="module")
def compare(tmp_path_factory):
    """Returns `compare(*flags)`: the folder, exit code and what was said."""
    place = tmp_path_factory.mktemp("comparison")
    write_photos(place / "photos")

    def run(*flags):
        done = subprocess.run(
            [
                *(sys.executable, ROOT / "scripts" / "compare.py", *RECIPE),
                *("--out_dir", "out", *flags),
            ],
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
            timeout=550,
        )
        return place / "out", done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture(scope="module")
def first(compare):
    """Two cells finish, one fails."""
    return compare("--methods", f"independent,{FAILING},css", "--seeds", "0")


@pytest.fixture(scope="module")
def second(compare, first):
    """More is named after a crash: of seed 0, css alone is whole.

    The other one was killed right before it wrote its result, and css with
    seed 1 while it wrote its first file.
    """
    out, _, _ = first
    (run_of(out, "independent", 0) / "result.json").unlink()
    torn = run_of(out, "css", 1)
    torn.mkdir()
    (torn / "config.json").write_text('{"config": {')
    before = contents(run_of(out, "css", 0))
    done = compare("--methods", "independent,css", "--seeds", "0,1")
    return *done, before


def write_photos(folder):
    """Thirty pictures of each of two classes."""
    rng = np.random.default_rng(0)
    for shift, name in enumerate(("dark", "light")):
        (folder / name).mkdir(parents=True)
        for i in range(30):
            pixels = rng.integers(0, 100, (8, 8, 3)) + 120 * shift
            picture = Image.fromarray(pixels.astype("uint8"))
            picture.save(folder / name / f"{i}.png")


def run_of(out, method, seed):
    return out / "cells" / PHOTOS / method / f"seed-{seed}"


def contents(run):
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in run.rglob("*")
        if path.is_file()
    }


@pytest.mark.once
def test_a_failing_cell_is_told_and_costs_itself_only(first):
    out, code, said = first
    assert code == 1, said
    assert "cells: 3, finished: 0, to train: 3" in said
    assert f"FAILED {PHOTOS} {FAILING} seed 0 after" in said
    log = run_of(out, FAILING.replace(":", "-"), 0).with_suffix(".log")
    last = log.read_text().splitlines()[-1]
    assert last.startswith("error: The loss must stay finite")
    assert f"  {last}\n" in said
    assert said.splitlines()[-1].startswith(
        f"error: cells that failed: {PHOTOS}"
    )
    for method in ("independent", "css"):
        assert f"finished {PHOTOS} {method} seed 0 after" in said


@pytest.mark.once
def test_more_seeds_are_named_after_a_crash(second):
    out, code, said, before = second
    assert code == 0, said
    assert "cells: 4, finished: 1, to train: 3" in said
    assert f"resuming {PHOTOS} independent seed 0 " in said
    log = run_of(out, "independent", 0).with_suffix(".log").read_text()
    assert "resuming after epoch 1" in log
    assert f"training {PHOTOS} css seed 1 " in said
    assert contents(run_of(out, "css", 0)) == before, "trained again"
    assert len(list(out.glob("cells/*/*/*/result.json"))) == 4


@pytest.mark.once
def test_the_tables_hold_what_the_runs_measured(second):
    out, _, said, _ = second
    with open(out / "table.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["method"] for row in rows} == {"independent", "css"}
    for row in rows:
        runs = [run_of(out, row["method"], seed) for seed in (0, 1)]
        found = [json.loads((r / "result.json").read_text()) for r in runs]
        values = [result["test"][row["student"]] for result in found]
        assert float(row["test_last_mean"]) == pytest.approx(np.mean(values))
        deviation = np.std(values, ddof=1)
        assert float(row["test_last_std"]) == pytest.approx(deviation)
        assert row["seeds"] == "2"
        counts = found[0]["student_parameters"]
        assert int(row["parameters"]) == counts[row["student"]]
    document = json.loads((out / "results.json").read_text())
    assert document["backend"] == BACKEND
    assert document["datasets"][PHOTOS]["classes"] == 2
    assert len(document["rows"]) == len(rows)
    text = (out / "table.md").read_text("utf-8")
    for row in document["summary"]:
        mean = f"{100 * row['measures']['test_last']['mean']:.1f} ± "
        assert mean in text
        assert mean in said
    assert "seeds: 0, 1" in text
    for column in ("on train", "ECE", "diversity", "disagree"):
        assert f" {column} " in text
    assert "missing" not in text, "what failed earlier is not named any more"
    with Image.open(out / "figure.png") as figure:
        assert figure.size[0] > 300
    assert not list(out.rglob(".part-*"))


@pytest.mark.once
def test_what_is_advised_can_be_typed_and_its_student_ships(
    second, call, monkeypatch
):
    out, _, said, _ = second
    (typed,) = [li for li in said.splitlines() if li.startswith("      keras")]
    assert f"\n{typed}\n" in (out / "table.md").read_text("utf-8")
    monkeypatch.chdir(out.parent)
    program, *words = shlex.split(typed)
    assert program == "keras-css"
    code, _, error = call(*words, "--run_dir", "mine")
    assert code == 0, error
    mine, like = (
        json.loads((run / "config.json").read_text())
        for run in (out.parent / "mine", run_of(out, method_of(words), 0))
    )
    assert mine["config"] == like["config"]
    assert mine["data"] == like["data"]
    code, _, error = call("to_onnx", "--run_dir", "mine")
    assert code == 0, error
    picture = next((out.parent / "photos" / "dark").iterdir())
    code, said, _ = call("predict", "mine/student.onnx", picture, "--json")
    assert code == 0
    (found,) = json.loads(said)
    assert found["class"] in ("dark", "light")


def method_of(words):
    (method,) = [w for w in words if w.startswith("--method=")]
    return method.removeprefix("--method=")


@pytest.mark.once
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "--out_dir must name the folder"),
        (["--out_dir", "out", "--seeds", "0,x"], "--seeds must be whole"),
        (["--out_dir", "out", "--jobs", "0"], "--jobs must be at least 1"),
        (
            ["--out_dir", "out", "--methods", "css,,"],
            "--methods must be a list",
        ),
        (["--out_dir", "out", "--methods", "cs"], "did you mean css"),
        (["--out_dir", "out", "--dataset", "digit"], "did you mean digits"),
        (["--out_dir", "out", "--epochs", "0"], "--epochs must be a whole"),
        (["--out_dir", __file__], "--out_dir must be a folder"),
    ],
)
def test_wrong_flags_get_one_line(call, tmp_path, flags, words):
    code, out, err = call("compare", *flags)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert words in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.once
def test_other_settings_are_refused(call, tmp_path):
    begun = {
        "settings": {"backend": BACKEND},
        "grid": {"datasets": [], "methods": [], "seeds": []},
    }
    begun["settings"]["epochs"] = 3
    (tmp_path / "compare.json").write_text(json.dumps(begun))
    code, out, err = call("compare", "--out_dir", tmp_path, "--epochs", "2")
    assert (code, out) == (2, "")
    assert err.startswith("error: --epochs must be that of the comparison in")
    assert err.count("\n") == 1
    assert not (tmp_path / "cells").exists()
