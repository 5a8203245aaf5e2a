"""What makes a run end the same though it is killed, interrupted, out of disk or short of a film."""
