// Sends what JavaScript makes easy to get wrong, and prints what became of each as one JSON object.
import { createClient } from "redis";
import { answer, send } from "./memory-graph.mjs";

const TRACK = "memory_graph.registry.track_usage";
const report = { session_id: "mistakes", prompt_tokens: 1, completion_tokens: 2 };
const registration = { session_id: "שלום 🜁/1", model_id: "acme/modèle:1", metadata: { "clé": "naïve" } };
const redis = await createClient({ url: process.env.REDIS_URL }).connect();

const WRONG = {
  "undefined": { report: { ...report, session_id: undefined } },
  "not a number": { report: { ...report, prompt_tokens: NaN } },
  "a number with an exponent": { report: { ...report, prompt_tokens: 1e21 } },
  "a number over 64 bits": { report: { ...report, prompt_tokens: 2 ** 63 } },
  "a fraction": { report: { ...report, prompt_tokens: 0.5 } },
  "a number as text": { report: { ...report, prompt_tokens: "1" } },
  "milliseconds": { report: { ...report, timestamp: Date.now() } },
  "half a character": { report: { ...report, session_id: "\ud83d" } },
  "a list": { report: [report] },
  "no payload": { report: undefined },
  "a typo": { report: { ...report, promt_tokens: 1 } },
  "a misspelt parameter": { raport: report },
};

const found = {};
async function note(kind, task, parameters) {
  const id = await send(redis, task, parameters, { ignore_result: false });
  found[kind] = await answer(redis, id).then((result) => ({ id, result }), (error) => ({ id, error: error.message }));
}

// Nobody is told of these; they are set aside before those that follow.
found["parameters that are a list"] = { id: await send(redis, TRACK, [report]) };
found["an id with spaces"] = { id: await send(redis, TRACK, { report }, { id: "my first id" }) };
for (const [kind, parameters] of Object.entries(WRONG)) await note(kind, TRACK, parameters);
await note("a misspelt task", "memory_graph.registry.trak_usage", { report });
await note("unicode", "memory_graph.registry.register_session", { registration });
for (const [kind, task, parameters] of [["a big integer", TRACK, { report: 10n }], ["no task of ours", "registry.usage", {}]])
  found[kind] = { refused: await send(redis, task, parameters).catch((error) => error.name) };
console.log(JSON.stringify(found));
await redis.close();
