"""The paper's comparison on any data set: methods, seeds, equal budgets, one honest table."""
