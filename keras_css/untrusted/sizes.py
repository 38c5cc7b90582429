"""The bound on what a file may become in memory, for all readers."""

# Images compress to a tenth at best; what expands further is a bomb.
MOST_EXPANSION = 100
ALWAYS_ALLOWED = 2**28


def check_expansion(path, size):
    """Raises ValueError if a file would expand to too many bytes.

    Args:
        path: The packed file.
        size: Bytes that it says it holds.
    """
    with open(path, "rb") as file:
        packed = file.seek(0, 2)
    most = max(ALWAYS_ALLOWED, MOST_EXPANSION * packed)
    if size > most:
        raise ValueError(
            f"it declares {size:,} bytes, and a file of {packed:,} bytes may "
            f"hold {most:,} at most"
        )
