// What a producer in TypeScript may write, and mistakes that its compiler must find.
import { createClient } from "redis";
import { answer, send, type TaskId, type Tasks } from "./memory-graph.mjs";

const redis = await createClient({ url: "redis://127.0.0.1:6379/0" }).connect();

const registration = { session_id: "s-1", model_id: "gpt-4", started_at: new Date() };
const id = await send(redis, "memory_graph.registry.register_session", { registration }, { id: "mine" });
const session = await answer(redis, id);
const status: "active" | "completed" | "failed" | "archived" = session.status;
await send(redis, "memory_graph.registry.register_session", { session_id: "s-2", model_id: "gpt-4" });
await send(redis, "memory_graph.registry.list_sessions");
const usage: Tasks["memory_graph.registry.get_session_usage"]["result"] = await answer(
  redis,
  await send(redis, "memory_graph.registry.get_session_usage", { session_id: "s-1" }),
);
const healthy: boolean = await answer(redis, await send(redis, "memory_graph.registry.health_check"));
const later: unknown = await answer(redis, "an id that was kept as text", 5000);
export const shown: [string, number | undefined, boolean, unknown] = [status, usage.total_tokens, healthy, later];

// @ts-expect-error: no such task
await send(redis, "memory_graph.registry.register_sesion", { registration });
// @ts-expect-error: a required parameter is missing
await send(redis, "memory_graph.registry.get_session");
// @ts-expect-error: a required field is missing
await send(redis, "memory_graph.registry.track_usage", { report: { session_id: "s-1", prompt_tokens: 1 } });
// @ts-expect-error: a misspelt field
await send(redis, "memory_graph.registry.register_session", { registration: { ...registration, modelId: "gpt-4" } });
// @ts-expect-error: not one of the statuses
await send(redis, "memory_graph.registry.update_session_status", { session_id: "s-1", status: "done" });
// @ts-expect-error: a task of the worker alone
await send(redis, "memory_graph.archival.archive_batch", {});
// @ts-expect-error: a result has no such field
session.sesion_id;
// @ts-expect-error: the id of another task's result
const wrong: TaskId<boolean> = id;
export { wrong };
