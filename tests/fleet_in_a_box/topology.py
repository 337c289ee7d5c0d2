"""Which machine runs what, and the picture of it."""

WORKERS = ("worker-1", "worker-2", "worker-3")
BEATS = ("beat-1", "beat-2")
SERVERS = ("redis-1", "redis-2")
PRODUCERS = ("producer-1", "producer-2")
SERVICES = ("registry", "vault", "memory-graph")

MACHINES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(PRODUCERS, ("usage reports, conversations",)),
    **dict.fromkeys(WORKERS, ("worker, 2 children", "sentinel")),
    **dict.fromkeys(BEATS, ("beat",)),
    "redis-1": ("Valkey, primary",),
    "redis-2": ("Valkey, replica",),
    "services": ("Registry", "Vault", "Memory-Graph"),
    "postgres": ("PostgreSQL",),
}
ADDRESSES = {name: f"10.77.0.{number}" for number, name in enumerate(MACHINES, start=11)}


def picture() -> list[str]:
    """The machines on their switch, as a Mermaid diagram in Markdown."""
    nodes = [f'    {_id(name)}["{"<br>".join((f"<b>{name}</b>", *parts))}"]' for name, parts in MACHINES.items()]
    groups = [(*PRODUCERS, *BEATS), WORKERS, (*SERVERS, "services", "postgres")]
    above, workers, below = (" & ".join(map(_id, group)) for group in groups)
    links = [f"    {above} --- switch{{{{switch}}}}", f"    switch --- {workers}", f"    switch --- {below}"]
    return ["```mermaid", "flowchart TD", *nodes, *links, "```"]


def _id(name: str) -> str:
    return name.replace("-", "")
