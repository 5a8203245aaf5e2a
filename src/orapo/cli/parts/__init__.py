"""What several commands have in common: groups of options, bars and tables on the screen, one command at a time."""
