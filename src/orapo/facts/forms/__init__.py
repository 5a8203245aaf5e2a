"""How a clean text is laid out: its sections, sentences, fields and answers; no word of medicine stands here."""
