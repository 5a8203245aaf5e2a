"""How radiologists say it: the lexicon compiled, and the statements of one sentence read with it."""
