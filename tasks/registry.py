"""One task for each operation of LLM-Registry."""

from ..clients.registry import MODEL, MODELS, REGISTRATION, SESSION, SESSIONS, STATS, USAGE, RegistryClient
from ..schemas import calls, results
from .operation import operation
from .parameters import payloads
from .session_wait import wait_for_session
from .usage_batch import track_usage_batch as track_usage_batch

payloads(REGISTRATION, USAGE, SESSION, SESSIONS, MODEL, MODELS, STATS)

register_session = operation(
    RegistryClient.register_session, fields=calls.session_registration, returns=results.SessionInfoDict
)
list_sessions = operation(RegistryClient.list_sessions, returns=results.SessionListDict)
get_session = operation(RegistryClient.get_session, returns=results.SessionInfoDict)
update_session_status = operation(
    RegistryClient.update_session_status, returns=results.SessionInfoDict, if_not_found=wait_for_session
)
reopen_session = operation(
    RegistryClient.reopen_session, returns=results.SessionInfoDict, if_not_found=wait_for_session
)
delete_session = operation(RegistryClient.delete_session)
list_models = operation(RegistryClient.list_models, returns=results.ModelListDict)
get_model_metadata = operation(RegistryClient.get_model_metadata, returns=results.ModelMetadataDict)
track_usage = operation(RegistryClient.track_usage, fields=calls.usage_report, if_not_found=wait_for_session)
get_session_usage = operation(RegistryClient.get_session_usage, returns=results.UsageStatsDict)
get_model_usage = operation(RegistryClient.get_model_usage, returns=results.UsageStatsDict)
health_check = operation(RegistryClient.health_check, expires=60, max_retries=0, keep_dead_letter=False)
