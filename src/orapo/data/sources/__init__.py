"""The data sets as they lie on disk, a module each, and the checks on the way to a study."""
