"""Generated reports in the formats that hospitals and laboratories read; each marked as a draft."""
