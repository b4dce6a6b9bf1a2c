"""A small venue that accepts, fills, refuses, delays and remembers; it stands in for any broker."""
