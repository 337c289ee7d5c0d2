// Sends tasks as a producer does that waits for nothing.
import { createClient } from "redis";
import { send } from "./memory-graph.mjs";

const redis = await createClient({ url: process.env.REDIS_URL }).connect();
const report = { session_id: "s-1", prompt_tokens: 1, completion_tokens: 2 };
await send(redis, "memory_graph.registry.track_usage", { report }, { id: "answer-1", ignore_result: false });
await send(redis, "memory_graph.vault.health_check", {}, { expires: new Date(Date.now() + 60_000) });
await redis.close();
