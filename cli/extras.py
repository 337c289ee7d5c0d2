"""How to install what is missing: the package is installed from a checkout or a wheel, not from an index."""


def install_hint(extra: str = "all") -> str:
    """The command lines that install an extra."""
    wheel = "memory_graph_workers-VERSION-py3-none-any.whl"
    return f"pip install '.[{extra}]' in a checkout, or pip install '{wheel}[{extra}]'"
