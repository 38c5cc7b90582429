"""Every test runs on every backend that it is about, and none twice."""

import itertools

import pytest
import run_backends
from run_backends import BACKENDS
from run_backends import PARTS
from run_backends import suites_of

pytestmark = pytest.mark.once


def backends_that_run(suites, once, several, part):
    """Returns the backends on which a test of these marks runs, sorted."""
    marks = {"once": once, "several": several}
    return sorted(
        backend
        for backend, expression, found, _ in suites
        if eval(expression or "True", marks) and found in ("all", part)
    )


@pytest.mark.parametrize(
    ("once", "several", "part"),
    list(itertools.product([False, True], [False, True], PARTS)),
)
def test_nothing_is_left_out_and_nothing_runs_twice(once, several, part):
    kind = (once, several, part)
    expected = ["tensorflow"] if once else sorted(BACKENDS)
    whole = suites_of([*BACKENDS], [], None)
    assert backends_that_run(whole, *kind) == expected
    alone = suites_of(["tensorflow"], [], None)
    after = suites_of([*BACKENDS], ["jax", "torch"], "tensorflow")
    assert backends_that_run([*alone, *after], *kind) == expected
    assert bool(backends_that_run(alone, *kind)) == (not several)


def test_every_file_of_tests_lies_in_one_part():
    tests = run_backends.TESTS
    for path in tests.rglob("test_*.py"):
        found = [
            name
            for name, (*files,) in PARTS.items()
            if any(path.is_relative_to(f) for f in files if f[0] != "-")
            and not any(
                path.is_relative_to(f.removeprefix("--ignore="))
                for f in files
                if f[0] == "-"
            )
        ]
        assert len(found) == 1, path


def test_a_backend_that_is_lacking_fails_where_it_was_named(
    monkeypatch, capsys
):
    monkeypatch.setattr(run_backends, "run_all", lambda suites, logs: ([], 0))
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: name == "tensorflow" or None
    )
    assert run_backends.main([]) == 0
    assert "jax: NOT RUN, not installed (make test" in capsys.readouterr().out
    assert run_backends.main(["torch"]) == 1
    assert "torch: NOT RUN, not installed (it was" in capsys.readouterr().out
    assert run_backends.main(["torhc"]) == 2


def test_the_files_of_the_fast_lane_are_there():
    for _, _, _, files in run_backends.fast_suites(["tensorflow"]):
        assert all(run_backends.pathlib.Path(file).exists() for file in files)
