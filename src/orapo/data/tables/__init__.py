"""Tables in and out, in every format that users have: rows, columns, what a spreadsheet makes of a cell."""
