"""Cells, their folder and their processes, with tiny programs as trainings."""

import json
import os
import subprocess
import sys
import time

import pytest
from finished_cell import CONFIG
from finished_cell import RESULT

from keras_css import UserError
from keras_css.comparison.cell import check_cell
from keras_css.comparison.cell import cohort_of
from keras_css.comparison.cell import make_cells
from keras_css.comparison.cell import split_method
from keras_css.comparison.cell import with_settings
from keras_css.comparison.folder import FIRST_GRID
from keras_css.comparison.folder import complete_grid
from keras_css.comparison.folder import locked
from keras_css.comparison.folder import remember
from keras_css.comparison.processes import run_cells
from keras_css.runs.lock import LOCK
from keras_css_runtime.environment import cores
from keras_css_runtime.environment import share_of_machine

pytestmark = pytest.mark.once

GRID = {"datasets": ["digits"], "methods": ["independent"], "seeds": [0]}
# Writes what a training leaves, as slowly as asked for.
PROGRAM = """
import json, pathlib, sys, time
folder, seconds = pathlib.Path(sys.argv[1]), float(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
(folder / "config.json").write_text(sys.argv[4])
time.sleep(seconds)
(folder / "result.json").write_text(sys.argv[3])
"""


def train(cell, seconds=0.0):
    words = [sys.executable, "-c", PROGRAM, cell.folder, seconds]
    return [*map(str, words), json.dumps(RESULT), json.dumps(CONFIG)]


def run(cells, command, out_dir, jobs=1):
    """Returns the cells that failed and the lines that were said."""
    lines, written = [], []
    with locked(out_dir) as lock:
        failed = run_cells(
            *(cells, command, jobs, dict(os.environ), lock),
            lines.append,
            lambda: written.append(sum(cell.finished for cell in cells)),
        )
    assert len(written) == len(cells)
    return failed, lines


def refuses(words, out_dir):
    with pytest.raises(UserError, match=words), locked(out_dir):
        pass


def test_a_failing_cell_costs_itself_only(tmp_path):
    cells = make_cells(tmp_path, ["digits"], ["css", "independent"], [0, 1])

    def command(cell):
        if cell is cells[1]:
            code = "print('begun'); print('error: no luck'); exit(2)"
            return [sys.executable, "-c", code]
        return train(cell)

    failed, lines = run(cells, command, tmp_path)
    assert failed == [cells[1]]
    assert [cell.finished for cell in cells] == [True, False, True, True]
    (told,) = [line for line in lines if line.startswith("FAILED")]
    assert cells[1].title in told
    assert "exit code 2" in told
    assert told.endswith("error: no luck")
    assert cells[1].log.read_text() == "begun\nerror: no luck\n"
    assert sum("cells left: " in line for line in lines) == 3


def test_as_many_cells_at_a_time_as_asked_for(tmp_path):
    cells = make_cells(tmp_path, ["digits"], ["css"], [0, 1, 2, 3])
    running, most = set(), [0]

    def command(cell):
        running.add(cell)
        alive = [c for c in running if not c.finished]
        most[0] = max(most[0], len(alive))
        return train(cell, 0.3)

    failed, lines = run(cells, command, tmp_path, jobs=2)
    assert not failed
    assert most[0] == 2
    order = [line.split()[0] for line in lines]
    assert order[:2] == ["training", "training"]


def test_what_a_crash_left_is_removed_or_gone_on_with(tmp_path):
    torn, whole = make_cells(tmp_path, ["digits"], ["css"], [0, 1])
    for cell, text in ((torn, '{"config":'), (whole, '{"config":{},"data":1}')):
        cell.folder.mkdir(parents=True)
        (cell.folder / "config.json").write_text(text)
        (cell.folder / "kept").touch()
        (cell.folder / "result.json").write_text('{"validation":')
        assert not cell.finished
    assert (torn.begun, whole.begun) == (False, True)
    for cell in (torn, whole):
        cell.remove_broken_files()
    assert not torn.folder.exists()
    assert (whole.folder / "kept").exists()
    assert not (whole.folder / "result.json").exists()


def test_one_call_at_a_time_and_none_beside_what_a_killed_one_left(tmp_path):
    """A training that outlives its parent keeps the lock."""
    with locked(tmp_path) as lock:
        refuses("One comparison at a time", tmp_path)
        code = "import sys; sys.stdin.read()"
        orphan = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            pass_fds=(lock,),
        )
    refuses("or what it began", tmp_path)
    orphan.stdin.close()
    orphan.wait()
    with locked(tmp_path):
        pass


def test_trainings_inherit_the_lock(tmp_path):
    (cell,) = make_cells(tmp_path, ["digits"], ["css"], [0])
    code = (
        "import os, sys\n"
        "for fd in range(3, 100):\n"
        "    try:\n"
        "        if os.path.samestat(os.fstat(fd), os.stat(sys.argv[1])):\n"
        "            print('inherited')\n"
        "    except OSError:\n"
        "        continue\n"
    )
    lock = str(tmp_path / LOCK)
    run([cell], lambda cell: [sys.executable, "-c", code, lock], tmp_path)
    assert cell.log.read_text() == "inherited\n"


def test_an_interrupted_call_leaves_no_training(tmp_path):
    """SIGTERM from a batch system; Ctrl-C takes the same way."""
    (cell,) = make_cells(tmp_path, ["digits"], ["css"], [0])

    def command(cell):
        parent = os.getpid()
        code = (
            "import os, signal, time\n"
            "print(os.getpid(), flush=True)\n"
            f"os.kill({parent}, signal.SIGTERM)\n"
            "time.sleep(60)\n"
        )
        return [sys.executable, "-c", code]

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run([cell], command, tmp_path)
    assert time.monotonic() - began < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int(cell.log.read_text()), 0)


def test_the_grid_grows_and_the_recipe_stays(tmp_path):
    out = tmp_path
    assert complete_grid(out, dict.fromkeys(GRID)) == FIRST_GRID
    assert remember(out, "torch", {"epochs": 2}, GRID) == GRID
    more = {**GRID, "methods": ["css", "independent"], "seeds": [3]}
    grown = remember(out, "torch", {"epochs": 2, "momentum": 0.9}, more)
    assert grown == {
        "datasets": ["digits"],
        "methods": ["independent", "css"],
        "seeds": [0, 3],
    }
    only = {**dict.fromkeys(GRID), "methods": ["css"]}
    assert complete_grid(out, only) == {**grown, "methods": ["css"]}
    before = (out / "compare.json").read_text()
    for backend, recipe, words in (
        ("torch", {"epochs": 3}, "--epochs .* 2, received 3"),
        ("torch", {}, "--epochs .* 2, received the default"),
        ("jax", {"epochs": 2}, "--backend .* torch, received jax"),
    ):
        with pytest.raises(UserError, match=words):
            remember(out, backend, recipe, GRID)
    assert (out / "compare.json").read_text() == before


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "compare.json").write_text('{"settings": 1}')
    with pytest.raises(UserError, match="must be the settings of a comparison"):
        remember(tmp_path, "torch", {}, GRID)
    (tmp_path / "compare.json").rename(tmp_path / "thesis.tex")
    with pytest.raises(UserError, match="must be new, empty or a comparison"):
        remember(tmp_path, "torch", {}, GRID)
    refuses("is a file or lies in one", tmp_path / "thesis.tex" / "out")


def test_folders_have_names_that_any_system_takes(tmp_path):
    names = ["tfds:cats/a", "folder=my photos/x"]
    first, second = make_cells(tmp_path, names, ["css:variant=detached"], [0])
    parts = first.folder.relative_to(tmp_path).parts
    assert parts == ("cells", "tfds-cats-a", "css-variant=detached", "seed-0")
    assert "folder=my-photos-x" in second.folder.parts
    with pytest.raises(UserError, match=r"'a/b' and 'A\?b'"):
        make_cells(tmp_path, ["a/b", "A?b"], ["css"], [0])


@pytest.mark.parametrize(
    ("dataset", "method", "words"),
    [
        ("digit", "css", "did you mean digits"),
        ("digits", "cs", "did you mean css"),
        ("digits", "css:variant=x", "variant of CSS 'x'"),
        ("digits", "css:variant", "must have the form name=value"),
        ("digits", "css:temperature=4+heat=3", "option of method css 'heat'"),
    ],
)
def test_a_cell_that_cannot_train_is_refused(tmp_path, dataset, method, words):
    (cell,) = make_cells(tmp_path, [dataset], [method], [0])
    with pytest.raises(UserError, match=words):
        check_cell(cell, {"epochs": 1})


def test_a_cohort_that_the_method_cannot_have_is_refused(tmp_path):
    css, dml = make_cells(tmp_path, ["digits"], ["css", "dml"], [0])
    check_cell(css, {"branches": 2})
    with pytest.raises(UserError, match="networks of 1 branch,"):
        check_cell(dml, {"branches": 2})


def test_a_method_may_have_settings_of_its_own(tmp_path):
    texts = ["independent:cutmix=1+epochs=9", "kdcl:network_b=resnet20"]
    plain, kdcl = make_cells(tmp_path, ["digits"], texts, [0])
    assert split_method(plain.method) == (
        *("independent", []),
        ["cutmix=1", "epochs=9"],
    )
    check_cell(plain, {"epochs": 3, "weight_decay": 1e-3})
    assert with_settings({"steps": 3, "cutout": 2}, {"epochs": 9}) == {
        **{"cutout": 2, "epochs": 9},
    }
    assert list(cohort_of(kdcl, []).values()) == [
        *("resnet14", "resnet20", "none", "none"),
    ]
    for text, words in (
        ("independent:cutmix=much", "Setting cutmix must be a number"),
        ("independent:cutmix=-1", "--cutmix must be a number from 0"),
        ("independent:cutmx=1", "option of method independent 'cutmx'"),
        ("independent:seed=1", "option of method independent 'seed'"),
        ("independent:epochs=1+steps=2", "leave one of them out"),
        ("css:transformation=rotation+branches=9", "at most 4 branches"),
        ("css:branches=many", "Setting branches must be a whole number"),
        ("css:joint_labels=1", "Setting joint_labels must be true or false"),
        ("css:transformation=spiral", "Unknown transformation 'spiral'"),
        ("dml:ship=network_c", "network to ship .network_c."),
    ):
        (cell,) = make_cells(tmp_path, ["digits"], [text], [0])
        with pytest.raises(UserError, match=words):
            check_cell(cell, {})


def test_trainings_beside_each_other_share_the_cores():
    assert share_of_machine(1) == {}
    for jobs in (2, 1000):
        threads = max(1, cores() // jobs)
        found = share_of_machine(jobs)
        assert found["OMP_NUM_THREADS"] == str(threads)
        assert 1 <= int(found["TF_NUM_INTRAOP_THREADS"]) <= threads
        assert float(found["XLA_PYTHON_CLIENT_MEM_FRACTION"]) * jobs <= 1


def test_all_networks_of_a_comparison_have_one_backbone(tmp_path):
    methods = ["css", "okddip", "okddip_networks"]
    found = {
        cell.method: [n for n in cohort_of(cell, []).values() if n != "none"]
        for cell in make_cells(tmp_path, ["digits"], methods, [0])
    }
    assert found == {
        "css": ["resnet14"] * 2,
        "okddip": ["resnet14"],
        "okddip_networks": ["resnet14"] * 4,
    }
    (cell,) = make_cells(tmp_path, ["digits"], ["dml"], [0])
    assert cohort_of(cell, ["resnet8", "resnet20"]) == {
        "network_a": "resnet8",
        "network_b": "resnet20",
        "network_c": "none",
        "network_d": "none",
    }
