"""`mgw status`: everything that an operator looks at first, on one screen."""
