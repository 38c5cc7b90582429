"""Studies: comparisons with a hypothesis, a grid, a budget and a command each.

One file each. `SETTINGS` holds attributes of `RunConfig` as in a recipe,
`METHODS`, `SEEDS` and `BUDGET` what `compare` takes where nothing is said. Its
results go into `results/<name>/`, cell by cell: `config.json`, `result.json`
and `history.csv`, so that a study can be gone on with on another machine.
"""

from keras_css.registry import Registry
from keras_css.studies import small_images

STUDIES = Registry("study", {"small_images": small_images})

__all__ = ["STUDIES"]
