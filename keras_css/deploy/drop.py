"""How much accuracy a reduced precision lost, told from chance."""

import dataclasses
import math

import numpy as np

from keras_css.errors import ProofError

# One-sided 95 % of the normal distribution.
SIGMAS = 1.6449
BISECTIONS = 40


@dataclasses.dataclass(frozen=True)
class Changed:
    """Answers of two files to the same images.

    Attributes:
        lost: How many were right and are wrong now.
        gained: How many were wrong and are right now.
        images: How many images there are, at least one.
    """

    lost: int
    gained: int
    images: int

    @property
    def drop(self):
        """The accuracy that was lost, a fraction of 1."""
        return (self.lost - self.gained) / self.images

    def at_least(self):
        """Returns the drop that is beyond chance, with 95 % confidence.

        The lower end of Tango's one-sided score interval for paired answers
        (Tango 1998, Statistics in Medicine 17, 891); negative where the file
        may as well have gained.
        """
        low, high = -1.0, max(self.drop, -1.0)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            if self._sigmas_above(middle) > SIGMAS:
                low = middle
            else:
                high = middle
        return low

    def images_to_tell(self, most):
        """Returns about how many images such a drop takes to be above `most`.

        Args:
            most: A drop below the one found.
        """
        spread = (self.lost + self.gained) / self.images - self.drop**2
        return math.ceil((SIGMAS / (self.drop - most)) ** 2 * spread)

    def _sigmas_above(self, drop):
        """Returns by how many deviations the answers speak for a larger drop.

        With the likeliest share of gained answers under `drop`.
        """
        n, b, c = self.images, self.lost, self.gained
        slope = (2 * n - b + c) * drop - b - c
        root = math.sqrt(max(slope**2 + 8 * n * c * drop * (1 - drop), 0.0))
        share = (root - slope) / (4 * n)
        variance = n * (2 * share + drop * (1 - drop))
        return (b - c - n * drop) / math.sqrt(max(variance, 1e-12))


def compare_answers(before, after):
    """Returns `Changed`; two arrays of bools `(N,)`, which were right."""
    before, after = np.asarray(before), np.asarray(after)
    return Changed(
        int(np.sum(before & ~after)), int(np.sum(~before & after)), len(before)
    )


def check_drop(changes, most, say):
    """Refuses a reduced file that lost too much for it to be chance.

    A single answer of few images may be more than the limit; that is said,
    and is no reason to refuse.

    Args:
        changes: Dict from split name to `Changed`.
        most: The most accuracy that may be lost on any split.
        say: Function that takes a line for the user.

    Raises:
        ProofError: If it lost more with 95 % confidence.
    """
    for split, changed in changes.items():
        if changed.drop <= most:
            continue
        told = (
            f"{changed.lost} answers lost and {changed.gained} gained on the "
            f"{changed.images} {split} images, {changed.drop:.4f}"
        )
        least = changed.at_least()
        if least > most:
            raise ProofError(
                f"The reduced file may lose at most {most:g} accuracy, but "
                f"has {told}, with 95 % confidence at least {least:.4f}: "
                "nothing was written; use another --precision or a larger "
                "--max_accuracy_drop."
            )
        say(
            f"{told}: more than {most:g}, but so few images cannot tell it "
            f"from that (at least {max(least, 0.0):.4f} with 95 % confidence; "
            f"about {changed.images_to_tell(most):,} images would tell)"
        )
