"""Backbones through training, another backend and the export, shortly."""

import pathlib

import keras
import pytest

FOLDER = pathlib.Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.once


@pytest.fixture
def families(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import families

    return families


def test_two_families_make_the_whole_way(families, tmp_path, capsys):
    out = tmp_path / "families.json"
    code = families.main(
        [
            *("--backends", keras.backend.backend(), "--out", str(out)),
            *("--families", "resnet8:8,vgg13:8"),
        ]
    )
    printed = capsys.readouterr().out
    assert code == 1, printed
    small, too_small = printed.splitlines()[1:]
    assert "FAILED" not in small
    assert "corner" in too_small


def test_verdicts(families):
    good = {
        "loss": 1.0,
        "load_difference": 1e-6,
        "loaded_on": "jax",
        "original_parameters": 7,
        "student_parameters": 7,
    }
    assert families.verdict(good) == {}
    for wrong in (
        {"loss": float("nan")},
        {"load_difference": 1e-2},
        {"original_parameters": 8},
    ):
        assert "failed" in families.verdict({**good, **wrong})
