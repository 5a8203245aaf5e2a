"""What an evaluation writes: tables, and the pages that show every study with a verdict on each sentence."""
