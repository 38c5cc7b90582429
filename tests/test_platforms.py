"""Which systems the package can be installed on, and what may keep it off."""

import ast
import pathlib
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.once
ROOT = pathlib.Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PLATFORMS = {
    "linux x86-64": {"sys_platform": "linux", "platform_machine": "x86_64"},
    "linux aarch64": {"sys_platform": "linux", "platform_machine": "aarch64"},
    "macOS arm64": {"sys_platform": "darwin", "platform_machine": "arm64"},
    "Windows": {"sys_platform": "win32", "platform_machine": "AMD64"},
}
# Dependencies with native code of which some platform has no wheel (for any
# glibc since 2.28); every other one had wheels for all four when `uv pip
# compile --only-binary :all:` resolved them with their own dependencies.
WHEELS = {"onnxruntime-gpu": {"linux x86-64", "Windows"}}
# In the standard library of some systems only.
NOT_EVERYWHERE = {
    *("fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty"),
    *("msvcrt", "winreg"),
}
# Asked for where sys.platform says that it is there.
GUARDED = {"keras_css/untrusted/matlab.py": {"resource"}}


def requirements(platform):
    """Returns dict from the names that a platform installs to requirements."""
    texts = PROJECT["project"]["dependencies"]
    found = [Requirement(text) for text in texts]
    return {
        canonicalize_name(one.name): one
        for one in found
        if one.marker is None or one.marker.evaluate(PLATFORMS[platform])
    }


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_a_platform_installs_has_wheels_there(platform):
    names = set(requirements(platform))
    for name, places in WHEELS.items():
        assert platform in places or name not in names
    # Both are the module `onnxruntime`: one of them, wherever it is.
    assert len(names & {"onnxruntime", "onnxruntime-gpu"}) == 1
    assert {"keras", "tensorflow", "tf2onnx", "filelock"} <= names


def test_pins_lie_within_the_bounds_of_every_platform():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = {}
    for line in lines:
        if line and not line.startswith("#"):
            name, _, version = line.partition("==")
            pins[canonicalize_name(name)] = version
    for platform in PLATFORMS:
        for name, requirement in requirements(platform).items():
            assert requirement.specifier.contains(pins[name]), name


def imported_by(package):
    """Returns dict from a package's files to the top-level names they import.

    Imports within functions count, too.
    """
    found = {}
    for path in (ROOT / package).rglob("*.py"):
        names = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module or "")
        tops = {name.partition(".")[0] for name in names}
        found[str(path.relative_to(ROOT))] = tops
    return found


@pytest.mark.parametrize(
    "package",
    ["keras_css", "keras_css_cli", "keras_css_runtime", "keras_css_settings"],
)
def test_no_module_of_ours_imports_what_only_some_systems_have(package):
    for path, names in imported_by(package).items():
        assert names & NOT_EVERYWHERE == GUARDED.get(path, set()), path


def test_what_only_predicts_needs_what_its_distribution_installs():
    text = (ROOT / "runtime" / "pyproject.toml").read_text("utf-8")
    project = tomllib.loads(text)["project"]
    installed = {Requirement(one).name for one in project["dependencies"]}
    assert installed == {"numpy", "onnxruntime", "pillow"}
    allowed = {"keras_css_runtime", "numpy", "onnxruntime", "PIL"}
    for path, names in imported_by("keras_css_runtime").items():
        assert names <= allowed | sys.stdlib_module_names, path
