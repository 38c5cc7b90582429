"""Files that nobody vouches for: read whole, or refused in one line."""
