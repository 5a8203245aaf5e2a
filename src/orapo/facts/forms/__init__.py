"""How a report is written: one clean text, its sections, fields and answers; no word of medicine stands here."""
