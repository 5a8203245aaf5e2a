"""Blinded preferences: pairs of reports, what experts said of them, and whether they agree."""

from orapo.preferences.records import Choice, Preference, read_preferences, write_preferences

__all__ = ["Choice", "Preference", "read_preferences", "write_preferences"]
