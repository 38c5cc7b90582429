"""How networks teach each other."""

import dataclasses

from keras_css_runtime.settings import ANY_COUNT
from keras_css_runtime.settings import NOT_NEGATIVE
from keras_css_runtime.settings import POSITIVE
from keras_css_settings.setting import Name
from keras_css_settings.setting import Options
from keras_css_settings.setting import Settings
from keras_css_settings.setting import Texts
from keras_css_settings.setting import setting


@dataclasses.dataclass(frozen=True)
class Method(Settings):
    """How networks teach each other."""

    method: str = setting(
        "css", Name("methods"), "How networks teach: {names}."
    )
    method_options: dict = setting(
        {}, Options(), "Arguments of the method, see --method_option."
    )
    teacher: tuple = setting(
        (),
        Texts(),
        "A finished classifier that teaches, too, and never trains: the folder "
        "of a run (its best student), FOLDER@STUDENT such as "
        "runs/1@ensemble, a file .keras, a file .onnx with --teacher_views, or "
        "applications:NAME of 1,000 classes; may be given several times.",
    )
    teacher_weight: float = setting(
        1.0, NOT_NEGATIVE, "Of what teachers teach, beside the method."
    )
    teacher_temperature: float = setting(
        4.0, POSITIVE, "Temperature of what teachers teach, likewise."
    )
    teacher_views: int | None = setting(
        None,
        ANY_COUNT,
        "Of how many random views of an image training takes one each epoch "
        "in turn; what teachers say of them is computed once and kept in the "
        "run's folder. 0: new views each epoch, teachers compute in each step. "
        "Default: 1 where nothing changes images, else 0.",
    )
