"""Who spoke when, on an ordinary CPU."""
