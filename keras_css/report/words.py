"""Numbers and other values as a page tells them."""

from keras_css_runtime.errors import one_line

NOTHING = "\u2013"
# Of a number and its unit, which no line break parts.
SPACE = "\u00a0"


def percent(value, digits=1):
    """Returns `57.4 %`."""
    return NOTHING if value is None else f"{100 * value:.{digits}f}{SPACE}%"


def count(value):
    """Returns `272,000`."""
    return NOTHING if value is None else f"{value:,}"


def size(value):
    """Returns bytes as `1.1 MB`."""
    if value is None:
        return NOTHING
    return (
        f"{value / 1e6:.2g}{SPACE}MB"
        if value < 1e7
        else (f"{value / 1e6:.0f}{SPACE}MB")
    )


def number(value, digits=3):
    """Returns a number with so many digits that count."""
    return NOTHING if value is None else f"{value:.{digits}g}"


def duration(seconds):
    """Returns `3 h 25 min`, `12 min` or `41 s`."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f}{SPACE}s"
    if minutes < 100:
        return f"{minutes}{SPACE}min"
    return f"{minutes // 60}{SPACE}h {minutes % 60}{SPACE}min"


def plain(value):
    """Returns a value of a JSON file as a reader takes it."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value, 4)
    if isinstance(value, int):
        return count(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(map(plain, value)) or NOTHING
    if isinstance(value, dict):
        told = (f"{key} = {plain(v)}" for key, v in value.items())
        return ", ".join(told) or NOTHING
    return str(value)


def finalize(value):
    """Returns what stands on the page for any value: never None, one line."""
    # Markup is safe as it is.
    if hasattr(value, "__html__"):
        return value
    return SPACE.join(map(one_line, plain(value).split(SPACE)))


FILTERS = {
    "percent": percent,
    "count": count,
    "size": size,
    "number": number,
}
