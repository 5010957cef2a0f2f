"""Function URLs: a port of its own for each, who may use it, and the events they make."""
