"""LLM-Registry alone: register a session, report its tokens, and read both back.

Run: REGISTRY_URL=… REGISTRY_API_KEY=… python -m memory_graph_workers.examples.registry
"""

from uuid import uuid4

from ..clients.config import RegistryConfig
from ..clients.registry import RegistryClient
from ..schemas.registry import SessionRegistration, UsageReport


def main() -> None:
    """Record one session and one usage report in the Registry."""
    session_id = f"example-{uuid4()}"
    with RegistryClient(RegistryConfig.from_env()) as registry:
        registration = SessionRegistration(
            session_id, "gpt-4", "0613", metadata={"user_id": "user-456"}, tags=["production"]
        )
        print(f"Session registered: {registry.register_session(registration)}")

        registry.track_usage(UsageReport(session_id, 100, 200, model_id="gpt-4", latency_ms=1500))

        model = registry.get_model_metadata("gpt-4")
        print(f"Model: {model.model_id} v{model.version}")

        usage = registry.get_session_usage(session_id)
        print(f"Total tokens used: {usage.total_tokens}")


if __name__ == "__main__":
    main()
