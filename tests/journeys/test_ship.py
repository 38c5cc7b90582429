"""to_onnx.py, predict.py and benchmark.py as a user types them."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from quick_run import only_run

from keras_css import UserError
from keras_css.data import load_dataset
from keras_css.deploy import export_model
from keras_css.deploy import export_run


@pytest.fixture(scope="module")
def shipped(trained, command, tmp_path_factory):
    """The best student of a copy of the quick run, where it belongs."""
    place = tmp_path_factory.mktemp("shipped")
    run = place / "run"
    shutil.copytree(only_run(trained[0]), run)
    done = command("export/to_onnx.py", "--run_dir", run, cwd=place)
    assert done.returncode == 0, done.stderr
    return run, done.stdout


@pytest.mark.once
def test_the_best_student_ships_with_the_accuracy_it_was_trained_to(shipped):
    run, printed = shipped
    result = json.loads((run / "result.json").read_text())
    report = json.loads((run / "student.json").read_text())
    best = result["best_student"]
    assert report["student"] == best
    assert (report["method"], report["dataset"]) == ("css", "digits")
    for part in ("validation", "test"):
        assert report["accuracy"][part] == pytest.approx(
            result[part][best], abs=0.003
        ), "one image may sit on the border between two classes"
    assert report["proof"]["images"] == "143 validation images"
    assert report["proof"]["largest_difference"] <= 1e-4
    assert report["bytes"] == (run / "student.onnx").stat().st_size
    assert f"{report['accuracy']['test']:.4f}" in printed
    assert f"file: {run / 'student.onnx'}" in printed


@pytest.mark.once
def test_pictures_of_digits_are_recognised(shipped, command, tmp_path):
    """As files, twice as large: most are still the digit they show."""
    run, _ = shipped
    test = load_dataset("digits").test.take(np.arange(40))
    for i, image in enumerate(test.images):
        picture = Image.fromarray(image[..., 0]).resize((16, 16))
        picture.save(tmp_path / f"{i:02d}.png")
    done = command(
        *("scripts/predict.py", run / "student.onnx", tmp_path, "--json"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    found = [int(entry["class"]) for entry in json.loads(done.stdout)]
    report = json.loads((run / "student.json").read_text())
    correct = np.mean(np.array(found) == test.labels)
    assert correct > report["accuracy"]["test"] - 0.25


@pytest.mark.once
def test_all_students_and_their_benchmark(shipped, call):
    run, _ = shipped
    code, said, error = call("to_onnx", "--run_dir", run, "--student", "all")
    assert code == 0, error
    kinds = ("branch", "network", "ensemble")
    reports = [
        json.loads((run / f"student_{kind}.json").read_text()) for kind in kinds
    ]
    sizes = [report["parameters"] for report in reports]
    assert sizes == sorted(sizes)
    assert reports[0]["student"].count("/") == 1
    assert reports[2]["student"] == "ensemble"
    assert "ms/image" in said
    file = run / "student_branch.onnx"
    code, _, error = call(
        *("benchmark", file, "--batch_sizes", "1,4", "--seconds", "0.2")
    )
    assert code == 0, error
    found = json.loads((run / "student_branch.benchmark.json").read_text())
    assert [batch["batch_size"] for batch in found["batches"]] == [1, 4]
    for batch in found["batches"]:
        for what in ("file", "plain_backbone", "keras_predict"):
            row = batch[what]
            assert 0 < row["p50_ms"] <= row["p90_ms"] <= row["p99_ms"]
        assert batch["ratio_to_plain_backbone"] > 0
    assert found["machine"]["threads"] >= 1
    page = (run / "report.html").read_text("utf-8")
    assert "student_ensemble.onnx" in page
    assert "How fast is <bdi>student_branch.onnx" in page
    assert "What each file costs and gives" in page


@pytest.mark.once
def test_what_cannot_be_shipped_gets_one_line(shipped, call, refused, tmp_path):
    run, _ = shipped
    before = (run / "student.onnx").read_bytes()
    unfinished = tmp_path / "unfinished"
    shutil.copytree(run, unfinished)
    (unfinished / "result.json").unlink()
    damaged = tmp_path / "damaged"
    shutil.copytree(run, damaged)
    network = damaged / "models" / "cohort.keras"
    network.write_bytes(network.read_bytes()[:1000])
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(before[:1000])
    cases = [
        ({"run_dir": unfinished}, "must be a finished run"),
        ({"run_dir": tmp_path}, "must be the folder of a run"),
        ({"run_dir": damaged}, r"cohort\.keras' must be a model"),
        (
            {"run_dir": run, "student": "network_c"},
            "Known: best, accuracy, branch, network",
        ),
        ({"run_dir": run, "precision": "fp8"}, "Unknown precision 'fp8'"),
        ({"run_dir": run, "path": "x.txt"}, r"must end in \.onnx"),
    ]
    swapped = tmp_path / "swapped"
    shutil.copytree(run, swapped)
    result = json.loads((swapped / "result.json").read_text())
    for name in result["test"]:
        result["test"][name] -= 0.05
    (swapped / "result.json").write_text(json.dumps(result))
    (swapped / "student.onnx").unlink()
    _, doubted = export_run(swapped, say=lambda line: None)
    assert "as accurate as the run says" in str(*doubted.values())
    assert not (swapped / "student.onnx").exists()
    for arguments, words in cases:
        with pytest.raises(UserError, match=words) as caught:
            export_run(say=lambda line: None, **arguments)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="must be a model saved by"):
        export_model(broken, tmp_path / "x.onnx")
    code, _, error = call("to_onnx", "--run_dir", run, "--out", "/proc/x.onnx")
    assert code == 2
    assert "'/proc/x.onnx' must lie in a folder that can be" in error
    code, _, error = call("to_onnx")
    assert code == 2
    assert "Either --run_dir" in error
    assert (run / "student.onnx").read_bytes() == before
    assert not list(tmp_path.rglob(".part-*"))
    code, _, error = call("benchmark", broken)
    assert code == 2
    assert "is damaged or something else" in error
    error = refused("scripts/predict.py", broken, cwd=tmp_path)
    assert "at least one picture" in error
    error = refused(
        "scripts/predict.py", run / "student.onnx", broken, cwd=tmp_path
    )
    assert "must be a picture that can be read" in error


@pytest.mark.once
def test_other_data_than_the_runs_block_no_export(shipped, tmp_path):
    """As after one new photo in the folder, dealt out anew."""
    run, _ = shipped
    changed = tmp_path / "changed"
    shutil.copytree(run, changed)
    config = json.loads((changed / "config.json").read_text())
    config["data"]["training_images"] -= 1
    config["data"]["content"]["train"] = "another"
    config["data"]["content"]["validation"] = "another"
    (changed / "config.json").write_text(json.dumps(config))
    lines = []
    reports, refused = export_run(changed, say=lines.append)
    assert not refused
    (report,) = reports.values()
    assert report["proof"]["images"] == "143 validation_now images"
    assert list(report["accuracy"]) == ["test", "validation_now"]
    (line,) = [line for line in lines if "the data changed" in line]
    assert "uses the 143 validation images of now" in line
    assert line.count("training images then") == 1
    assert report["data_changed"] in line
    config["data"]["class_names"][0] = "another"
    (changed / "config.json").write_text(json.dumps(config))
    reports, _ = export_run(changed, say=lines.append)
    (report,) = reports.values()
    assert report["accuracy"] == {}
    assert report["class_names"][0] == "another"
    assert "no accuracy is measured" in " ".join(lines)
    config["data"]["image_shape"] = [9, 9, 1]
    (changed / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        UserError, match=r"image_shape was \[9, 9, 1\], received"
    ):
        export_run(changed, say=lines.append)


@pytest.mark.once
def test_a_saved_network_ships_without_its_run(shipped, call, tmp_path):
    run, _ = shipped
    code, said, error = call(
        *("to_onnx", "--model", run / "models" / "network_b.keras"),
        *("--out", "b.onnx", "--student", "network_a/branch_1"),
        *("--precision", "int8", "--max_accuracy_drop", "1"),
        *("--dataset", "digits"),
    )
    assert code == 0, error
    assert "of the float32 size, accuracy against float32: test" in said
    report = json.loads((tmp_path / "b.json").read_text())
    assert report["size_ratio"] < 0.5
    assert report["method"] == "unknown"
    assert report["proof"]["images"] == "143 given images"
    result = json.loads((run / "result.json").read_text())
    exact = report["float32"]["accuracy"]["test"]
    assert exact == pytest.approx(
        result["test"]["network_b/branch_1"], abs=0.003
    )
    drop = report["accuracy_drop"]["test"]
    assert drop == pytest.approx(exact - report["accuracy"]["test"])
