"""`python -m memory_graph_workers.cli`, the same as `mgw`."""

from .main import main

if __name__ == "__main__":
    main()
