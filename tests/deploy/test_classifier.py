"""The runtime wrapper: pictures of any kind in, class names out, no Keras."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
from PIL import Image

from keras_css.deploy import OnnxClassifier
from keras_css_runtime.errors import UserError
from keras_css_runtime.onnx_file import open_session
from keras_css_runtime.pictures import find_pictures
from keras_css_runtime.pictures import to_array

pytestmark = pytest.mark.once
NAMES = ["left", "right", "up", "down & <out>"]


@pytest.fixture(scope="module")
def classifier(exported):
    return OnnxClassifier(exported[1], batch_size=7)


def test_arrays_pictures_and_paths_are_one_and_the_same(
    classifier, splits, exported, tmp_path
):
    x = splits[1].images
    session = open_session(exported[1])
    logits = session.run(None, {"image": x})[0]
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = e / e.sum(axis=1, keepdims=True)
    pictures = [Image.fromarray(image[..., 0]) for image in x]
    paths = []
    for i, picture in enumerate(pictures):
        paths.append(tmp_path / f"{i}.png")
        picture.save(paths[-1])
    for given in (x, list(x), pictures, paths, [str(p) for p in paths]):
        names, probabilities = classifier(given)
        np.testing.assert_allclose(probabilities, expected, atol=1e-5)
        assert names == [NAMES[i] for i in expected.argmax(axis=1)]
    assert len(set(names)) > 1
    for one in (x[3], pictures[3], paths[3]):
        assert classifier(one)[0] == names[3:4]
    assert classifier([])[1].shape == (0, 4)


def test_pictures_of_every_size_become_what_a_student_takes():
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (40, 30, 3), dtype="uint8")
    assert np.array_equal(to_array(colour, (40, 30, 3)), colour)
    flat = np.full((50, 90, 3), 77, "uint8")
    for shape in ((8, 8, 3), (33, 20, 3), (64, 200, 3)):
        assert (to_array(flat, shape) == 77).all()
    grey = to_array(colour, (40, 30, 1))
    assert grey.shape == (40, 30, 1)
    assert to_array(colour[..., 0], (40, 30, 3)).shape == (40, 30, 3)


def test_a_wide_picture_is_cut_around_its_centre():
    wide = np.zeros((8, 24, 3), "uint8")
    wide[:, 8:16] = 200
    assert (to_array(wide, (8, 8, 3)) == 200).all()


def test_what_is_no_picture_gets_one_line(classifier, tmp_path):
    text = tmp_path / "notes.png"
    text.write_text("not a picture")
    cut = tmp_path / "cut.jpg"
    Image.fromarray(np.zeros((64, 64, 3), "uint8")).save(cut)
    cut.write_bytes(cut.read_bytes()[:300])
    lab = tmp_path / "lab.tiff"
    Image.new("LAB", (9, 9)).save(lab)
    cases = [
        (text, "'.*notes.png' must be a picture that can be read"),
        (cut, "'.*cut.jpg' must be a picture that can be read"),
        (lab, "'.*lab.tiff' must be grey or in colour, received mode LAB"),
        (tmp_path / "none.png", "there is none"),
        (np.zeros((8, 8, 1), "float32"), "received float32 of shape"),
        (np.zeros((8, 8, 2), "uint8"), r"received uint8 of shape \(8, 8, 2\)"),
        (np.zeros((0, 8, 3), "uint8"), "received uint8"),
    ]
    for given, message in cases:
        with pytest.raises(UserError, match=message) as caught:
            classifier(given)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="has no file that ends in"):
        (tmp_path / "empty").mkdir()
        find_pictures(tmp_path / "empty")


def test_damaged_and_foreign_files_get_one_line(exported, tmp_path):
    content = exported[1].read_bytes()
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(content[: len(content) // 2])
    foreign = tmp_path / "foreign.onnx"
    model = onnx.load(exported[1])
    del model.metadata_props[:]
    onnx.save(model, foreign)
    lying = tmp_path / "lying.onnx"
    model.metadata_props.add(key="class_names", value='{"a": 1}')
    model.metadata_props.add(key="image_shape", value='["x"]')
    onnx.save(model, lying)
    wrong = tmp_path / "wrong.onnx"
    model = onnx.load(exported[1])
    for entry in model.metadata_props:
        if entry.key == "image_shape":
            entry.value = "[9, 9, 1]"
    onnx.save(model, wrong)
    for path, message in (
        (wrong, "must be an ONNX file written by to_onnx"),
        (damaged, "is damaged or something else"),
        (foreign, "must be an ONNX file written by to_onnx"),
        (lying, "must be an ONNX file written by to_onnx"),
        (tmp_path / "none.onnx", "there is none"),
        (tmp_path, "there is none"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            OnnxClassifier(path)
        assert "\n" not in str(caught.value)


def test_a_provider_that_does_not_run_is_refused(exported):
    import onnxruntime

    with pytest.raises(UserError, match="one of cpu, cuda, tensorrt"):
        open_session(exported[1], "gpu")
    try:
        session = onnxruntime.InferenceSession(
            exported[1], providers=["CUDAExecutionProvider"]
        )
        runs = "CUDAExecutionProvider" in session.get_providers()
    except Exception:
        runs = False
    if runs:
        assert open_session(exported[1], "cuda").get_providers()[0] == (
            "CUDAExecutionProvider"
        )
    else:
        with pytest.raises(UserError, match="'cuda' must run on this machine"):
            open_session(exported[1], "cuda")


def test_predicting_imports_neither_keras_nor_a_backend(exported, tmp_path):
    """As the command, from a folder of pictures, with JSON."""
    rng = np.random.default_rng(0)
    (tmp_path / "inner").mkdir()
    for name in ("b.png", "a.jpg", "inner/c.bmp"):
        image = rng.integers(0, 256, (20, 12, 3), dtype="uint8")
        Image.fromarray(image).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture, not looked at")
    code = (
        "import sys\n"
        "from keras_css_cli.command import run_command\n"
        f"argv = ['predict', {str(exported[1])!r}, '.', '--json']\n"
        "assert run_command('predict', argv, 'predict') == 0\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch', 'onnx'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [entry["picture"] for entry in found] == [
        "a.jpg",
        "b.png",
        "inner/c.bmp",
    ]
    for entry in found:
        assert set(entry["probabilities"]) == set(NAMES)
        assert sum(entry["probabilities"].values()) == pytest.approx(1, 1e-4)
        best = max(entry["probabilities"], key=entry["probabilities"].get)
        assert entry["class"] == best


def test_pictures_are_cut_as_the_test_images_were(exported, splits, tmp_path):
    """A fraction of 0.5 of a picture twice as large is its middle."""
    model = onnx.load(exported[1])
    model.metadata_props.add(key="crop_fraction", value="0.5")
    path = tmp_path / "cropped.onnx"
    onnx.save(model, path)
    image = splits[1].images[0]
    height, width, channels = image.shape
    large = np.zeros((2 * height, 2 * width, channels), "uint8")
    top, left = height // 2, width // 2
    large[top : top + height, left : left + width] = image
    classifier = OnnxClassifier(path)
    _, expected = classifier(image)
    _, found = classifier(large)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    model.metadata_props[-1].value = "much"
    onnx.save(model, path)
    with pytest.raises(UserError, match="crop_fraction"):
        OnnxClassifier(path)
