import { createClient } from "redis";
import { answer, send } from "./memory-graph.mjs";

const redis = await createClient({ url: process.env.REDIS_URL }).connect();
const call = async (...task) => answer(redis, await send(redis, ...task));

const registration = { session_id: "s-6", model_id: "gpt-4", started_at: new Date("2026-01-31T12:00:00Z") };
console.log((await call("memory_graph.registry.register_session", { registration })).status); // active

const report = { session_id: "s-6", prompt_tokens: 10, completion_tokens: 20 };
for (let time = 0; time < 2; time++) {
  const options = { id: "answer-4713", ignore_result: false }; // sent twice, counted once; says when it is done
  await call("memory_graph.registry.track_usage", { report }, options);
}
console.log((await call("memory_graph.registry.get_session_usage", { session_id: "s-6" })).total_tokens); // 30
await redis.close();
