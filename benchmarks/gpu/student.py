"""The exported student in ONNX Runtime on CUDA: `export/benchmark.py`."""

import json
import pathlib
import shutil
import subprocess
import sys

from part import COULD_NOT_RUN
from part import DONE
from part import FAILED
from part import ROOT
from part import begin_part

PROVIDERS = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}


def run(call, report):
    if not report.begin(["onnx"]):
        return
    provider = "cpu" if call.dry_run else "cuda"
    out = report.path.parent
    student = find_student(call, out)
    reason = why_not(provider, student, call)
    if reason:
        report.put("onnx", COULD_NOT_RUN, reason)
        return
    # Beside a copy: the figures belong to this machine.
    copy = out / "onnx" / "student.onnx"
    copy.parent.mkdir(exist_ok=True)
    shutil.copyfile(student, copy)
    report.put("onnx", *measure(copy, provider, call))


def find_student(call, out):
    """Returns the exported file, or None."""
    if call.student:
        return pathlib.Path(call.student)
    exported = sorted((out / "recipe").glob("*.onnx"))
    return exported[0] if exported else None


def why_not(provider, student, call):
    """Returns why nothing can be measured here, or None."""
    import onnxruntime

    available = onnxruntime.get_available_providers()
    if PROVIDERS[provider] not in available:
        return (
            f"onnxruntime {onnxruntime.__version__} has "
            f"{', '.join(available)} only: install onnxruntime-gpu"
        )
    if not student:
        return (
            "no exported student: export the finished recipe with to_onnx "
            "where TensorFlow is, and give the file with --student"
        )
    if not call.running:
        return "; ".join(dict.fromkeys(call.backends.values()))
    return None


def measure(path, provider, call):
    """Returns outcome and line of the benchmark of a file."""
    pace = ("--seconds=0.01", "--batch_sizes=1") if call.dry_run else ()
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "export" / "benchmark.py"), str(path)),
            # The plain backbone would have to be exported here, too.
            *("--provider", provider, "--nocompare"),
            *("--backend", call.running[0], *pace),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout, flush=True)
    if done.returncode != 0:
        return FAILED, done.stdout.strip().splitlines()[-1]
    found = json.loads(path.with_suffix(".benchmark.json").read_text("utf-8"))
    parts = [
        f"{batch['file']['images_per_second']:,.0f} images/s at batch "
        f"{batch['batch_size']} (p50 {batch['file']['p50_ms']:.3f} ms)"
        for batch in found["batches"]
    ]
    return DONE, f"{provider}: {', '.join(parts)}"


if __name__ == "__main__":
    begin_part("onnx", run)
