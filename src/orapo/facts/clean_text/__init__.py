"""A report as one clean text, however it was written: typography, documents, markup, JSON, lists, shorthand.

Each module turns a dress of the text into plainer lines, and `source` knows where every stretch of these
stood in the report. What the lines mean is found in `orapo.facts.forms`.
"""
