"""What makes a run end the same though it is killed, interrupted, out of disk, short of a film or of a reward."""
