"""All readers that are fuzzed, by name."""

from fuzzing import arrays
from fuzzing import flags
from fuzzing import images
from fuzzing import layouts
from fuzzing import models
from fuzzing import run_files

ROOMS = (images, arrays, layouts, run_files, models, flags)
READERS = {reader.name: reader for room in ROOMS for reader in room.READERS}
