// Tasks of memory-graph-workers from Node: Celery's message protocol 2 over Redis.
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

const NAME = /^memory_graph\.(registry|vault|archival)\.(\w+)$/;
const NOTHING_FOLLOWS = { callbacks: null, errbacks: null, chain: null, chord: null };

/** Send a task with its parameters by name and return its id. A task sent twice under one id counts once. */
export async function send(redis, task, parameters = {}, { id = randomUUID(), ...headers } = {}) {
  const queue = queueOf(task);
  const body = Buffer.from(JSON.stringify([[], parameters, NOTHING_FOLLOWS]));
  const message = {
    body: body.toString("base64"),
    "content-type": "application/json",
    "content-encoding": "utf-8",
    headers: { lang: "js", task, id, root_id: id, ...headers },
    properties: {
      correlation_id: id,
      delivery_tag: randomUUID(),
      delivery_mode: 2,
      delivery_info: { exchange: queue, routing_key: queue },
      body_encoding: "base64",
      priority: 0,
    },
  };
  await redis.lPush(queue, JSON.stringify(message));
  return id;
}

/** Wait for a task's result; throws the task's error, or that there was no result in time. */
export async function answer(redis, id, timeoutMs = 30_000) {
  for (const end = Date.now() + timeoutMs; Date.now() < end; await pause(50)) {
    const { status, result } = JSON.parse((await redis.get(`celery-task-meta-${id}`)) ?? "{}");
    if (status === "SUCCESS") return result;
    if (status === "FAILURE") throw new Error(`${result.exc_type}: ${JSON.stringify(result.exc_message)}`);
  }
  throw new Error(`no result within ${timeoutMs} ms; see: mgw dead show ${id}`);
}

function queueOf(task) {
  const [, service, operation] = NAME.exec(task) ?? [];
  if (!service) throw new TypeError(`${task} is not a task of memory-graph-workers`);
  return `memory_graph.${operation === "health_check" ? "health" : service}`;
}
