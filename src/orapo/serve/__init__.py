"""`orapo serve`: reports, facts and scores over HTTP, and the workbench page. Needs ``[serve]``."""
