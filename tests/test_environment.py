"""The environment of commands: JAX's programs, huge pages."""

import os
import subprocess
import sys

import pytest

from keras_css_cli import command
from keras_css_runtime import environment
from keras_css_runtime.environment import huge_pages
from keras_css_runtime.environment import set_up_jax

VARIABLE = "JAX_COMPILATION_CACHE_DIR"
pytestmark = pytest.mark.once


@pytest.fixture
def kept_in(tmp_path, monkeypatch):
    """Returns `kept_in(cache)`: the folder, or None, for a user's cache."""

    def set_up(cache, wanted=None):
        # Set first, so that it is as before after the test.
        monkeypatch.setenv(VARIABLE, wanted or "")
        if wanted is None:
            monkeypatch.delenv(VARIABLE)
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        set_up_jax()
        return os.environ.get(VARIABLE)

    return set_up


def test_programs_are_kept_in_the_users_cache_for_each_processor(
    kept_in, tmp_path
):
    folder = kept_in(tmp_path / "cache")
    assert os.path.isdir(folder)
    place, processor = os.path.split(folder)
    assert place == str(tmp_path / "cache" / "keras_css" / "jax")
    assert len(processor) == 16
    assert kept_in(tmp_path / "cache") == folder


def test_what_the_user_says_stays(kept_in, tmp_path):
    assert kept_in(tmp_path, "elsewhere") == "elsewhere"
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_is_none(kept_in, tmp_path):
    (tmp_path / "file").write_text("")
    assert kept_in(tmp_path / "file") is None


def test_huge_pages_are_asked_for_once(tmp_path, monkeypatch):
    setting = tmp_path / "enabled"
    monkeypatch.setattr(environment, "HUGE_PAGES", str(setting))
    monkeypatch.setattr("platform.libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=1")
    assert huge_pages() is None, "the system does not know them"
    setting.write_text("[always] madvise never")
    assert huge_pages() is None, "it takes them anyway"
    setting.write_text("always [madvise] never")
    found = huge_pages()
    wanted = "glibc.malloc.check=1:glibc.malloc.hugetlb=1"
    assert found == {**os.environ, "GLIBC_TUNABLES": wanted}
    monkeypatch.setenv("GLIBC_TUNABLES", wanted)
    assert huge_pages() is None, "the process began with them"
    monkeypatch.setattr("platform.libc_ver", lambda: ("musl", "1"))
    monkeypatch.delenv("GLIBC_TUNABLES")
    assert huge_pages() is None


def test_a_command_begins_again_once_and_only_by_itself(monkeypatch):
    begun = []
    wanted = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
    monkeypatch.setattr(command, "huge_pages", lambda: wanted)
    monkeypatch.setattr(os, "execve", lambda *call: begun.append(call))
    monkeypatch.delenv(command.BEGAN_AGAIN, raising=False)
    monkeypatch.setattr(sys, "argv", ["scripts/train.py", "--seed", "1"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "pdb", *sys.argv])
    command._begin_again_with_huge_pages()
    assert begun == [], "a debugger would be lost"
    monkeypatch.setattr(sys, "orig_argv", ["python", *sys.argv])
    command._begin_again_with_huge_pages()
    (program, arguments, variables), *others = begun
    assert (program, others) == (sys.executable, [])
    assert arguments == [sys.executable, *sys.argv]
    assert variables == {**wanted, command.BEGAN_AGAIN: "1"}
    monkeypatch.setenv(command.BEGAN_AGAIN, "1")
    command._begin_again_with_huge_pages()
    assert len(begun) == 1, "else without end where the variable is removed"


def test_memory_that_is_freed_is_kept():
    program = """if True:
        import resource
        from keras_css_runtime.environment import keep_memory
        import numpy as np

        def faults():
            for _ in range(20):
                np.ones(1 << 20)
            return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

        keep_memory()
        before = faults()
        print(faults() - before)
    """
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    # Of 8 MB each time; 2048 pages would be new in each of 20.
    assert int(found.stdout) < 500, found.stderr
