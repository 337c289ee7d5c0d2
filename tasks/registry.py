"""One task for each operation of LLM-Registry."""

from ..clients.registry import MODEL, MODELS, REGISTRATION, SESSION, SESSIONS, STATS, USAGE, RegistryClient
from .operation import operation
from .parameters import carry
from .usage_batch import track_usage_batch as track_usage_batch

carry(REGISTRATION, USAGE, SESSION, SESSIONS, MODEL, MODELS, STATS)

register_session = operation(RegistryClient.register_session)
list_sessions = operation(RegistryClient.list_sessions)
get_session = operation(RegistryClient.get_session)
update_session_status = operation(RegistryClient.update_session_status)
delete_session = operation(RegistryClient.delete_session)
list_models = operation(RegistryClient.list_models)
get_model_metadata = operation(RegistryClient.get_model_metadata)
track_usage = operation(RegistryClient.track_usage)
get_session_usage = operation(RegistryClient.get_session_usage)
get_model_usage = operation(RegistryClient.get_model_usage)
health_check = operation(RegistryClient.health_check, expires=60, max_retries=0, keep_dead_letter=False)
