"""How sure a difference between two methods is: paired by seed, intervals."""

import dataclasses
import math
import statistics

CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Difference:
    """A method's accuracy minus the first method's, seed by seed.

    Both had the same images, parts and order of batches in each seed, so what
    a seed does to both drops out. The interval is Student's for a mean of n
    differences.

    Attributes:
        dataset: As the user wrote it.
        method: As the user wrote it.
        first: The method it is compared with.
        kind: Of student, one of `table.KINDS`.
        part: `"validation"` or `"test"`.
        values: Tuple of differences, fractions of 1, of the seeds both have.
    """

    dataset: str
    method: str
    first: str
    kind: str
    part: str
    values: tuple

    @property
    def mean(self):
        return statistics.fmean(self.values)

    @property
    def interval(self):
        """`(low, high)` around the mean, None of a single seed."""
        n = len(self.values)
        if n < 2:
            return None
        from scipy.stats import t

        error = statistics.stdev(self.values) / math.sqrt(n)
        half = float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * error
        return self.mean - half, self.mean + half

    @property
    def verdict(self):
        """`"better"`, `"worse"`, or `"open"` where the interval holds 0."""
        if self.interval is None:
            return "open"
        low, high = self.interval
        return "better" if low > 0 else "worse" if high < 0 else "open"

    def to_json(self):
        """Returns a dict that JSON can hold."""
        return {
            **dataclasses.asdict(self),
            "values": list(self.values),
            "mean": self.mean,
            "interval": self.interval and list(self.interval),
            "verdict": self.verdict,
        }


def differences(summary, part="test"):
    """Returns the `Difference`s of a comparison's last epochs.

    Args:
        summary: List of `Row`, as of `table.summary_rows`.
        part: `"validation"` or `"test"`.

    Returns:
        One for each data set, method but the first, and kind of student that
        both have; those without a common seed are left out.
    """
    found = []
    measure = f"{part}_last"
    for dataset in dict.fromkeys(row.dataset for row in summary):
        rows = [row for row in summary if row.dataset == dataset]
        first = rows[0].method
        known = {row.kind: row for row in rows if row.method == first}
        for row in rows:
            base = known.get(row.kind)
            if row.method == first or base is None:
                continue
            before = dict(zip(base.seeds, base.measures[measure].values))
            values = tuple(
                value - before[seed]
                for seed, value in zip(row.seeds, row.measures[measure].values)
                if seed in before
            )
            if values:
                found.append(
                    Difference(
                        dataset, row.method, first, row.kind, part, values
                    )
                )
    return found


def in_points(difference):
    """Returns a difference as text, in points of a hundred."""
    mean = f"{100 * difference.mean:+.1f}"
    if difference.interval is None:
        return f"{mean} (one seed: no interval)"
    low, high = (f"{100 * bound:+.1f}" for bound in difference.interval)
    return f"{mean} ({low} to {high})"
