"""Classifying pictures with one exported file."""

import os
from collections.abc import Iterator
from collections.abc import Sequence
from typing import cast

import numpy as np

from keras_css_runtime.errors import UserError
from keras_css_runtime.onnx_file import OnnxFile
from keras_css_runtime.pictures import Picture
from keras_css_runtime.pictures import to_array
from keras_css_runtime.settings import COUNT
from keras_css_runtime.softmax import are_probabilities
from keras_css_runtime.softmax import softmax

# As settings of a run have it: a smaller part would be scaled without end.
LEAST_FRACTION = 0.1
# Files of before were not looked at when they were written.
PROBED_IMAGES = 8


class OnnxClassifier:
    """A student in onnxruntime: pictures in, class names out.

    All it needs to know stands in the file: names of the classes, size of the
    images, how pixels are normalised.

    Args:
        path: The ONNX file that `to_onnx` wrote.
        provider: `"cpu"`, `"cuda"` or `"tensorrt"`; refused where it does not
            run.
        batch_size: Most pictures at a time.
        threads: Threads of one operator; None for onnxruntime's choice.

    Attributes:
        class_names: List of C names.
        image_shape: `(H, W, channels)` of the images the student takes.
        metadata: Dict of everything the file says about itself.

    Raises:
        UserError: If the file is missing, damaged or not one of ours.

    Example:

    ```python
    classifier = OnnxClassifier("student.onnx")
    names, probabilities = classifier(["cat.jpg", "dog.png"])
    ```
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        provider: str = "cpu",
        batch_size: int = 32,
        threads: int | None = None,
    ) -> None:
        COUNT.check("batch_size", batch_size)
        self.file = OnnxFile(path, provider, threads)
        self.metadata = self.file.metadata()
        self.class_names: list[str] = self.metadata["class_names"]
        self.image_shape = tuple(self.metadata["image_shape"])
        self.crop_fraction = self._crop_fraction()
        self.batch_size = self.file.batch_size or batch_size
        if "model_output" not in self.metadata:
            self.metadata["output"] = self._probed_output()

    def __call__(
        self, pictures: Picture | Sequence[Picture]
    ) -> tuple[list[str], np.ndarray]:
        """Returns names of the likeliest classes and all probabilities.

        Pictures are scaled and cut as those that the student was tested on;
        an array of the very shape that it takes is used as it is.

        Args:
            pictures: A list of paths, PIL images and uint8 arrays of any size,
                one of these alone, or a uint8 array `(N, h, w, c)`.

        Returns:
            `(names, probabilities)`: a list of N names and a float32 array
            `(N, C)`, rows in the order of `pictures`.

        Raises:
            UserError: If one of them is no picture.
        """
        if isinstance(pictures, np.ndarray):
            alone = pictures.ndim < 4
        else:
            alone = not isinstance(pictures, (list, tuple))
        several = cast(Sequence[Picture], [pictures] if alone else pictures)
        rows = [np.zeros((0, len(self.class_names)), "float32")]
        for part in self._parts(several):
            images = np.stack([self._to_array(p) for p in part])
            rows.append(self._probabilities(images))
        probabilities = np.concatenate(rows)
        best = probabilities.argmax(axis=-1)
        return [self.class_names[i] for i in best], probabilities

    def each(
        self, pictures: Sequence[Picture]
    ) -> Iterator[tuple[Picture, np.ndarray | None, str | None]]:
        """Classifies pictures one by one, and goes on where one is broken.

        Args:
            pictures: A list, as for a call.

        Yields:
            `(picture, probabilities, fault)`, in order: a float32 array `(C,)`
            and None, or None and a line that says what is wrong.
        """
        for part in self._parts(pictures):
            images, faults = [], {}
            for i, picture in enumerate(part):
                try:
                    images.append(self._to_array(picture))
                except UserError as error:
                    faults[i] = str(error)
            rows = iter(self._probabilities(np.stack(images)) if images else ())
            for i, picture in enumerate(part):
                fault = faults.get(i)
                yield picture, None if fault else next(rows), fault

    def run(self, images: np.ndarray) -> np.ndarray:
        """Returns what the file puts out for images of its own size.

        Args:
            images: uint8 array `(N, H, W, channels)`.

        Returns:
            float32 array `(N, C)`, logits or probabilities as exported.
        """
        return self.file.run(self._normalise(images), self.batch_size)

    def _parts(
        self, pictures: Sequence[Picture]
    ) -> Iterator[Sequence[Picture]]:
        for start in range(0, len(pictures), self.batch_size):
            yield pictures[start : start + self.batch_size]

    def _probabilities(self, images: np.ndarray) -> np.ndarray:
        output = self.run(images)
        logits = self.metadata["output"] == "logits"
        return softmax(output) if logits else output

    def _probed_output(self) -> str:
        """Returns what a file puts out whose writer took its word for it."""
        found = self.file.run(self.file.random_batch(PROBED_IMAGES))
        real = are_probabilities(found)
        return "probabilities" if real else self.metadata["output"]

    def _to_array(self, picture: Picture) -> np.ndarray:
        ready = getattr(picture, "shape", None) == self.image_shape
        fraction = 1.0 if ready else self.crop_fraction
        return to_array(picture, self.image_shape, fraction)

    def _crop_fraction(self) -> float:
        found = self.metadata.get("crop_fraction", "1")
        try:
            fraction = float(found)
        except (TypeError, ValueError):
            fraction = 0.0
        if LEAST_FRACTION <= fraction <= 1:
            return fraction
        raise UserError(
            "crop_fraction in the file's metadata must be a number from "
            f"{LEAST_FRACTION} to 1, received {found!r}: export it again."
        )

    def _normalise(self, images: np.ndarray) -> np.ndarray:
        kind = self.metadata["input"]
        if kind == "uint8":
            return images
        rule = self.metadata.get("preprocessing")
        if not isinstance(rule, dict) or not {"scale", "offset"} <= set(rule):
            raise UserError(
                "This file takes images that were normalised by the code that "
                "trained it, and cannot do so itself: run its session with "
                "your own arrays."
            )
        scale = np.asarray(rule["scale"], "float32")
        images = images * scale + np.asarray(rule["offset"], "float32")
        if kind == "float_nchw":
            images = images.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(images, "float32")
