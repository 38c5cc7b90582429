"""How networks teach each other."""

import dataclasses

from keras_css_settings.setting import Name
from keras_css_settings.setting import Options
from keras_css_settings.setting import Settings
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
