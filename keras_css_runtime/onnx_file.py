"""An ONNX file in onnxruntime, on the provider that was asked for."""

import json
import math
import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime as ort

from keras_css_runtime.environment import cores
from keras_css_runtime.errors import UserError
from keras_css_runtime.errors import first_line
from keras_css_runtime.errors import refuse_url
from keras_css_runtime.settings import Number
from keras_css_runtime.text import composed

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
INPUTS = ("uint8", "float_nhwc", "float_nchw")
OUTPUTS = ("logits", "probabilities")
SILENT = 4
MOST_NUMBERS = 10**8
MOST_THREADS = 64


class OnnxFile:
    """A session with an input `image` and one output.

    onnxruntime-gpu lists CUDA on machines that have none and falls back to
    the CPU with a line on standard error; here the session itself is asked.

    Args:
        path: Path of the ONNX file.
        provider: `"cpu"`, `"cuda"` or `"tensorrt"`.
        threads: Threads of one operator; None for onnxruntime's choice.

    Attributes:
        session: The `onnxruntime.InferenceSession`.
        batch_size: The fixed batch, or None for any.

    Raises:
        UserError: If the file is missing or damaged, or the provider is
            unknown or does not run here.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        provider: str = "cpu",
        threads: int | None = None,
    ) -> None:
        self.path, self.provider = pathlib.Path(path), provider
        self.session = open_session(path, provider, threads)
        given = self._said(self.session.get_inputs)
        names = self._said(lambda: [value.name for value in given])
        if names != ["image"]:
            raise UserError(
                f"'{path}' must have one input, image, received "
                f"{', '.join(names)}: export it with to_onnx."
            )
        self.input = given[0]
        shape = self._said(lambda: self.input.shape)
        sides = [side for side in shape if isinstance(side, int)]
        # A fixed batch is filled up: what it takes is allocated.
        if (
            len(shape) != 4
            or min(sides, default=1) < 1
            or (math.prod(sides) > MOST_NUMBERS)
        ):
            raise UserError(
                f"'{path}' must take images, batch x 3 sides of at most "
                f"{MOST_NUMBERS:,} numbers, received {shape}: export it with "
                "to_onnx."
            )
        batch = shape[0]
        self.batch_size = batch if isinstance(batch, int) else None

    def run(self, images: np.ndarray, batch_size: int = 64) -> np.ndarray:
        """Returns what the file puts out for many images, `(N, C)`.

        Args:
            images: Array in the form the input takes, N images.
            batch_size: Most images at a time, where the file's is not fixed.
        """
        size = self.batch_size or batch_size
        rows = []
        for start in range(0, len(images), size):
            part = images[start : start + size]
            feed = part
            if self.batch_size and len(part) < size:
                feed = np.resize(part, (size, *part.shape[1:]))
            rows.append(self._run(feed)[: len(part)])
        return np.concatenate(rows)

    def _run(self, feed: np.ndarray) -> np.ndarray:
        try:
            output = self.session.run(None, {"image": feed})[0]
        # onnxruntime has no common error class.
        except Exception as error:
            raise UserError(
                f"'{self.path}' must be a classifier of images, but fails at "
                f"some: {first_line(error)}"
            ) from error
        if np.ndim(output) != 2 or len(output) != len(feed):
            raise UserError(
                f"'{self.path}' must put out a row of numbers for each image, "
                f"received an array of shape {np.shape(output)} for "
                f"{len(feed)}: export it again."
            )
        return output

    def _said(self, ask: Callable[[], Any]) -> Any:
        """Returns what the session says, whose names may be no text."""
        try:
            return ask()
        except UnicodeDecodeError as error:
            raise UserError(
                f"'{self.path}' must be an ONNX file written by to_onnx, but "
                "has names that are no text."
            ) from error

    def random_batch(self, size: int) -> np.ndarray:
        """Returns random images in the form the input takes."""
        shape = (size, *self.input.shape[1:])
        rng = np.random.default_rng(0)
        if self.input.type == "tensor(uint8)":
            return rng.integers(0, 256, shape, dtype="uint8")
        return rng.normal(size=shape).astype("float32")

    def metadata(self) -> dict[str, Any]:
        """Returns what the file says about itself.

        Raises:
            UserError: If it was not written by `to_onnx`.
        """
        meta = self._said(self.session.get_modelmeta)
        stored = self._said(lambda: meta.custom_metadata_map)
        found = {name: _parse(text) for name, text in stored.items()}
        found["class_names"] = composed(found.get("class_names"))
        names, shape = found["class_names"], found.get("image_shape")
        outputs = self._said(self.session.get_outputs)
        ends = self._said(lambda: outputs[0].shape) if outputs else None
        classes = ends[-1] if ends else None
        fits = (
            isinstance(names, list)
            and all(isinstance(name, str) for name in names)
            and len(names) == classes
            and isinstance(shape, list)
            and len(shape) == 3
            and all(isinstance(n, int) and n > 0 for n in shape)
            and found.get("input") in INPUTS
            and found.get("output") in OUTPUTS
            and self._fits_shape(shape, found["input"])
            and _is_rule(found.get("preprocessing"))
        )
        if not fits:
            raise UserError(
                f"'{self.path}' must be an ONNX file written by to_onnx, but "
                "does not say its class names, image shape, input and output."
            )
        return found

    def _fits_shape(self, shape: list[int], kind: str) -> bool:
        height, width, channels = shape
        wanted = [height, width, channels]
        if kind == "float_nchw":
            wanted = [channels, height, width]
        return list(self.input.shape[1:]) == wanted


def _is_rule(rule: object) -> bool:
    """Whether a preprocessing can be used, or is none at all."""
    if not isinstance(rule, dict) or not {"scale", "offset"} & set(rule):
        return True
    numbers = [rule.get("scale"), rule.get("offset")]
    return all(
        isinstance(values, list)
        and values
        and all(isinstance(value, (int, float)) for value in values)
        for values in numbers
    )


def check_threads(name: str, threads: int | None) -> None:
    """Raises `UserError` unless so many threads can be started, or None."""
    # onnxruntime starts as many, and the process ends where that fails.
    most = max(MOST_THREADS, cores())
    Number(1, most, whole=True, optional=True).check(name, threads)


def open_session(
    path: str | os.PathLike[str],
    provider: str = "cpu",
    threads: int | None = None,
) -> ort.InferenceSession:
    """Returns an `onnxruntime.InferenceSession`; arguments as `OnnxFile`."""
    if provider not in PROVIDERS:
        raise UserError(
            f"The provider must be one of {', '.join(PROVIDERS)}, received "
            f"'{provider}'."
        )
    check_threads("threads", threads)
    if not pathlib.Path(path).is_file():
        refuse_url(path, "an ONNX file")
        raise UserError(f"'{path}' must be an ONNX file, but there is none.")
    path, wanted = pathlib.Path(path), PROVIDERS[provider]
    session = None
    if wanted in ort.get_available_providers():
        try:
            session = _open(path, wanted, threads)
        except Exception as error:
            # onnxruntime has no common error class; a file that opens on the
            # CPU is whole, so that then the provider is to blame.
            if provider == "cpu" or not _opens_on_cpu(path):
                raise UserError(
                    f"'{path}' must be an ONNX file that onnxruntime can run, "
                    f"but is damaged or something else: {first_line(error)}"
                ) from error
    if session is None or session.get_providers()[0] != wanted:
        raise UserError(
            f"Provider '{provider}' must run on this machine, but "
            f"onnxruntime {ort.__version__} cannot start it: check the driver "
            "and its libraries, or use --provider cpu."
        )
    return session


def _open(
    path: pathlib.Path, provider: str, threads: int | None
) -> ort.InferenceSession:
    # A provider that cannot start is said by our own line.
    ort.set_default_logger_severity(SILENT)
    options = ort.SessionOptions()
    options.log_severity_level = SILENT
    # Idle threads do not spin: they would disturb whatever runs next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if threads:
        options.intra_op_num_threads = threads
    # Its fallback would print, and try the same again.
    session = ort.InferenceSession(
        path, options, providers=[provider], enable_fallback=0
    )
    session.disable_fallback()
    return session


def _opens_on_cpu(path: pathlib.Path) -> bool:
    try:
        _open(path, PROVIDERS["cpu"], None)
    except Exception:
        return False
    return True


def _parse(text: str) -> Any:
    """Lists and dicts are JSON; anything else is the text it is."""
    if text[:1] not in ("[", "{"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
