"""The embedded stack of `mgw dev` and `mgw demo`: broker, services, worker, beat and Flower as child processes."""
