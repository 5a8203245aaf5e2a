"""How right reports are: clinical metrics, trivial rows, plots and the HTML report."""
