"""Film files: which files are films and of which part of the body, whether they are whole, their pixels."""
