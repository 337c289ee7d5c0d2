// Generated from the tasks' JSON Schemas (docs/contract/tasks): make contract

/** An RFC 3339 timestamp with an offset; JSON.stringify writes a Date as one. */
export type SentTimestamp = string | Date;

/** A session to keep for `retention_days`; `id` is the archive's. Without `archived_at` the server sets its time. */
export interface ArchiveEntry {
  /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
  session_id: string;
  /** Any JSON value that UTF-8 can carry: no NaN, no infinity, no lone surrogates, no endless nesting. */
  data: unknown;
  /** A retention in days, 1 to 365,000. */
  retention_days: number;
  /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
  id?: string;
  /** An RFC 3339 timestamp with an offset that every database and time zone can hold. */
  archived_at?: SentTimestamp;
  tags?: Array<string>;
  /** A JSON object. */
  metadata?: Record<string, unknown>;
}

/** Why the vault refused one session of a batch. */
export interface ArchiveFailure {
  session_id: string;
  error: string;
}

/** The vault's receipt for one archive; a vault of ours also says until when it keeps it, others may not. */
export interface ArchiveResponse {
  /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
  archive_id: string;
  /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
  session_id: string;
  status: string;
  /** An RFC 3339 timestamp with an offset, read to the microsecond and written in UTC with `Z`. */
  archived_at: string;
  /** An RFC 3339 timestamp with an offset, read to the microsecond and written in UTC with `Z`. */
  received_at?: string;
  /** An RFC 3339 timestamp with an offset, read to the microsecond and written in UTC with `Z`. */
  kept_until?: string;
  /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
  policy_id?: string;
}

/** The archive id of each session that was archived, and the reason of each that was not. */
export interface ArchivedByHandDict {
  archived: Record<string, string>;
  failed: Record<string, string>;
}

/** The archive of a session. */
export interface ArchivedSessionDict {
  session_id: string;
  archive_id: string;
}

/** The vault's response to a batch; `archived` lists archive ids or session ids (the contract leaves it open). */
export interface BatchArchiveResponse {
  archived: Array<string>;
  failed?: Array<ArchiveFailure>;
  total: number;
  success_count: number;
  /** A JSON object. */
  policies?: Record<string, unknown>;
}

/** A usage report of a batch, with the key by which the registry knows it again. */
export interface KeyedUsageReport {
  /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
  session_id: string;
  prompt_tokens: number;
  completion_tokens: number;
  /** An id as it goes into a path, or an empty text for none. */
  model_id?: string;
  total_tokens?: number;
  latency_ms?: number | null;
  /** An RFC 3339 timestamp with an offset that every database and time zone can hold. */
  timestamp?: SentTimestamp;
  /** A JSON object that shares its message with other payloads, so it must be neither deep nor large. */
  metadata?: Record<string, unknown>;
  /** An idempotency key, as a header and a task's id can carry it: printable ASCII without spaces. */
  idempotency_key?: string;
}

/** One page of models; `total` counts all pages. Without `page` the server does not number them. */
export interface ModelList {
  models: Array<ModelMetadata>;
  total: number;
  page?: number;
  page_size?: number;
  unreadable?: Array<UnreadableRow>;
}

/** A model as the registry knows it. */
export interface ModelMetadata {
  /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
  model_id: string;
  version: string;
  provider: string;
  /** An RFC 3339 timestamp with an offset, read to the microsecond and written in UTC with `Z`. */
  created_at: string;
  parameters?: ModelParameters;
  description?: string;
  capabilities?: Array<string>;
  tags?: Array<string>;
  /** A JSON object. */
  metadata?: Record<string, unknown>;
}

/** A model's default sampling parameters; temperature from 0 to 2. */
export interface ModelParameters {
  temperature?: number;
  max_tokens?: number | null;
  top_p?: number | null;
  frequency_penalty?: number | null;
  presence_penalty?: number | null;
  stop_sequences?: Array<string>;
  /** A JSON object. */
  custom?: Record<string, unknown>;
}

/** How long archives under it are kept. Without `created_at` the server sets its time. */
export interface RetentionPolicy {
  name: string;
  /** A retention in days, 1 to 365,000. */
  retention_days: number;
  compliance_level: "standard" | "hipaa" | "gdpr" | "pci" | "soc2";
  auto_delete?: boolean;
  description?: string;
  /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
  policy_id?: string;
  /** An RFC 3339 timestamp with an offset that every database and time zone can hold. */
  created_at?: SentTimestamp;
  tags?: Array<string>;
}

/** An archive as the vault returns it. */
export interface RetrievedArchive {
  /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
  session_id: string;
  /** Any JSON value that UTF-8 can carry: no NaN, no infinity, no lone surrogates, no endless nesting. */
  data: unknown;
  retention_days: number;
  /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
  id: string;
  /** An RFC 3339 timestamp with an offset, read to the microsecond and written in UTC with `Z`. */
  archived_at: string;
  tags?: Array<string>;
  /** A JSON object. */
  metadata?: Record<string, unknown>;
  /** An RFC 3339 timestamp with an offset, read to the microsecond and written in UTC with `Z`. */
  received_at?: string;
  /** An RFC 3339 timestamp with an offset, read to the microsecond and written in UTC with `Z`. */
  kept_until?: string;
  /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
  policy_id?: string;
  /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
  newest_archive_id?: string;
}

/** A session as the registry knows it. */
export interface SessionInfo {
  /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
  session_id: string;
  model_id: string;
  /** An RFC 3339 timestamp with an offset, read to the microsecond and written in UTC with `Z`. */
  started_at: string;
  /** An RFC 3339 timestamp with an offset, read to the microsecond and written in UTC with `Z`. */
  ended_at?: string | null;
  status: "active" | "completed" | "failed" | "archived";
  prompt_count?: number;
  total_tokens?: number;
  /** A JSON object. */
  metadata?: Record<string, unknown>;
}

/** One page of sessions; `total` counts all pages. Without `page` the server does not number them. */
export interface SessionList {
  sessions: Array<SessionInfo>;
  total: number;
  page?: number;
  page_size?: number;
  unreadable?: Array<UnreadableRow>;
}

/** A session to register. Without `started_at` the server sets its time. */
export interface SessionRegistration {
  /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
  session_id: string;
  /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
  model_id: string;
  model_version?: string;
  /** An RFC 3339 timestamp with an offset that every database and time zone can hold. */
  started_at?: SentTimestamp;
  /** A JSON object. */
  metadata?: Record<string, unknown>;
  tags?: Array<string>;
}

/** What `archival.sweep` or `archival.watch` did, to which sweep, and which service it waits for. */
export interface SweepAnswerDict {
  status: string;
  sweep_id?: string;
  service?: string;
}

/** A row that a page left out: its place among all rows of the page, from 0, and the field that cannot be read. */
export interface UnreadableRow {
  index: number;
  field?: string;
}

/** Tokens of one model call; `total_tokens` is at least their sum. Without `timestamp` the server sets its time. */
export interface UsageReport {
  /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
  session_id: string;
  prompt_tokens: number;
  completion_tokens: number;
  /** An id as it goes into a path, or an empty text for none. */
  model_id?: string;
  total_tokens?: number;
  latency_ms?: number | null;
  /** An RFC 3339 timestamp with an offset that every database and time zone can hold. */
  timestamp?: SentTimestamp;
  /** A JSON object. */
  metadata?: Record<string, unknown>;
}

/** What a session or a model used between two moments; all zero where there was no report yet. */
export interface UsageStats {
  id: string;
  /** An RFC 3339 timestamp with an offset, read to the microsecond and written in UTC with `Z`. */
  from: string;
  /** An RFC 3339 timestamp with an offset, read to the microsecond and written in UTC with `Z`. */
  to: string;
  total_prompts?: number;
  total_responses?: number;
  total_prompt_tokens?: number;
  total_completion_tokens?: number;
  total_tokens?: number;
  avg_latency_ms?: number;
  /** A JSON object. */
  custom_metrics?: Record<string, unknown>;
}

/** Every task by its name. */
export interface Tasks {
  /** Add usage reports, each under its own idempotency key (if absent, derived from this task's id). */
  "memory_graph.registry.track_usage_batch": {
    parameters: {
      reports: Array<KeyedUsageReport>;
    };
    result: null;
  };
  /** Register a session (POST /api/v1/sessions). A repeat with the same content changes nothing. */
  "memory_graph.registry.register_session": {
    parameters: {
      registration: SessionRegistration;
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      idempotency_key?: string | null;
    } | {
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      session_id: string;
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      model_id: string;
      model_version?: string;
      /** An RFC 3339 timestamp with an offset that every database and time zone can hold. */
      started_at?: SentTimestamp;
      /** A JSON object. */
      metadata?: Record<string, unknown>;
      tags?: Array<string>;
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      idempotency_key?: string | null;
    };
    result: SessionInfo;
  };
  /** Return one page of the sessions (GET /api/v1/sessions); without `page` the first, whatever its number. */
  "memory_graph.registry.list_sessions": {
    parameters: {
      page?: number | null;
      page_size?: number | null;
      status?: "active" | "completed" | "failed" | "archived" | null;
      /** An RFC 3339 timestamp with an offset, read to the microsecond and written in UTC with `Z`. */
      started_before?: SentTimestamp | null;
      /** An RFC 3339 timestamp with an offset, read to the microsecond and written in UTC with `Z`. */
      ended_before?: SentTimestamp | null;
    };
    result: SessionList;
  };
  /** Return one session (GET /api/v1/sessions/{id}). */
  "memory_graph.registry.get_session": {
    parameters: {
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      session_id: string;
    };
    result: SessionInfo;
  };
  /** Set a session's status (PUT /api/v1/sessions/{id}/status). A repeat changes nothing. */
  "memory_graph.registry.update_session_status": {
    parameters: {
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      session_id: string;
      status: "active" | "completed" | "failed" | "archived";
      /** An RFC 3339 timestamp with an offset, read to the microsecond and written in UTC with `Z`. */
      if_ended_at?: SentTimestamp | null;
      /** When a change of a session was asked for, by the sender's clock: it decides if messages come in another order. */
      asked_at?: SentTimestamp | null;
    };
    result: SessionInfo;
  };
  /** Let an ended session go on: active, without an end (POST /api/v1/sessions/{id}/reopen). */
  "memory_graph.registry.reopen_session": {
    parameters: {
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      session_id: string;
      /** When a change of a session was asked for, by the sender's clock: it decides if messages come in another order. */
      asked_at?: SentTimestamp | null;
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      idempotency_key?: string | null;
    };
    result: SessionInfo;
  };
  /** Delete a session (DELETE /api/v1/sessions/{id}); if it is already gone, that counts as deleted. */
  "memory_graph.registry.delete_session": {
    parameters: {
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      session_id: string;
    };
    result: null;
  };
  /** Return one page of the models (GET /api/v1/models); without `page` the first, whatever its number. */
  "memory_graph.registry.list_models": {
    parameters: {
      page?: number | null;
      page_size?: number | null;
    };
    result: ModelList;
  };
  /** Return one model (GET /api/v1/models/{id}). */
  "memory_graph.registry.get_model_metadata": {
    parameters: {
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      model_id: string;
    };
    result: ModelMetadata;
  };
  /** Add a usage report (POST /api/v1/usage). */
  "memory_graph.registry.track_usage": {
    parameters: {
      report: UsageReport;
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      idempotency_key?: string | null;
    } | {
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      session_id: string;
      prompt_tokens: number;
      completion_tokens: number;
      /** An id as it goes into a path, or an empty text for none. */
      model_id?: string;
      total_tokens?: number;
      latency_ms?: number | null;
      /** An RFC 3339 timestamp with an offset that every database and time zone can hold. */
      timestamp?: SentTimestamp;
      /** A JSON object. */
      metadata?: Record<string, unknown>;
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      idempotency_key?: string | null;
    };
    result: null;
  };
  /** Return the usage of a session so far (GET /api/v1/sessions/{id}/usage). */
  "memory_graph.registry.get_session_usage": {
    parameters: {
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      session_id: string;
    };
    result: UsageStats;
  };
  /** Return the usage of all sessions of a model so far (GET /api/v1/models/{id}/usage). */
  "memory_graph.registry.get_model_usage": {
    parameters: {
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      model_id: string;
    };
    result: UsageStats;
  };
  /** Ask whether the registry is up (GET /health, without a key, at most 5 s). */
  "memory_graph.registry.health_check": {
    parameters: Record<string, never>;
    result: boolean;
  };
  /** Store one session in the vault (POST /api/v1/archive). */
  "memory_graph.vault.archive_session": {
    parameters: {
      entry: ArchiveEntry;
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      idempotency_key?: string | null;
    } | {
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      session_id: string;
      /** Any JSON value that UTF-8 can carry: no NaN, no infinity, no lone surrogates, no endless nesting. */
      data: unknown;
      /** A retention in days, 1 to 365,000. */
      retention_days: number;
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      id?: string;
      /** An RFC 3339 timestamp with an offset that every database and time zone can hold. */
      archived_at?: SentTimestamp;
      tags?: Array<string>;
      /** A JSON object. */
      metadata?: Record<string, unknown>;
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      idempotency_key?: string | null;
    };
    result: ArchiveResponse;
  };
  /** Store many sessions (POST /api/v1/archive/batch) and merge the responses. */
  "memory_graph.vault.batch_archive": {
    parameters: {
      entries: Array<ArchiveEntry>;
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      idempotency_key?: string | null;
    };
    result: BatchArchiveResponse;
  };
  /** Return an archive (GET /api/v1/archive/{id}). */
  "memory_graph.vault.retrieve_session": {
    parameters: {
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      archive_id: string;
    };
    result: RetrievedArchive;
  };
  /** Delete an archive (DELETE /api/v1/archive/{id}); if it is already gone, that counts as deleted. */
  "memory_graph.vault.delete_archive": {
    parameters: {
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      archive_id: string;
    };
    result: null;
  };
  /** Create a retention policy (POST /api/v1/policies) and return its id. A repeat changes nothing. */
  "memory_graph.vault.create_retention_policy": {
    parameters: {
      policy: RetentionPolicy;
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      idempotency_key?: string | null;
    } | {
      name: string;
      /** A retention in days, 1 to 365,000. */
      retention_days: number;
      compliance_level: "standard" | "hipaa" | "gdpr" | "pci" | "soc2";
      auto_delete?: boolean;
      description?: string;
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      policy_id?: string;
      /** An RFC 3339 timestamp with an offset that every database and time zone can hold. */
      created_at?: SentTimestamp;
      tags?: Array<string>;
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      idempotency_key?: string | null;
    };
    result: string;
  };
  /** Put an archive under a retention policy (PUT /api/v1/archive/{id}/policy). A repeat changes nothing. */
  "memory_graph.vault.apply_retention_policy": {
    parameters: {
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      archive_id: string;
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      policy_id: string;
    };
    result: null;
  };
  /** Ask whether the vault is up (GET /health, without a key, at most 5 s). */
  "memory_graph.vault.health_check": {
    parameters: Record<string, never>;
    result: boolean;
  };
  /** Read a session's conversation from the graph and archive it now, whatever its age. */
  "memory_graph.archival.archive_session": {
    parameters: {
      /** An id that goes into a path: 1 to 256 characters, no control or bidi characters, not `.` or `..`. */
      session_id: string;
    };
    result: ArchivedSessionDict;
  };
  /** Archive these sessions now; returns the archive id of each, or why it was not archived. */
  "memory_graph.archival.archive_sessions": {
    parameters: {
      session_ids: Array<string>;
    };
    result: ArchivedByHandDict;
  };
  /** Create the retention policy of a compliance level (its days, its name as tag, no automatic deletion). */
  "memory_graph.archival.create_compliance_policy": {
    parameters: {
      level: "standard" | "hipaa" | "gdpr" | "pci" | "soc2";
    };
    result: string;
  };
  /** Create a standard retention policy of so many days. */
  "memory_graph.archival.create_standard_policy": {
    parameters: {
      /** A retention in days, 1 to 365,000. */
      retention_days: number;
    };
    result: string;
  };
  /** Start a sweep over the Registry's sessions, unless one runs; its id is this task's. */
  "memory_graph.archival.sweep": {
    parameters: {
      trigger?: "beat" | "watch" | "manual";
    };
    result: SweepAnswerDict;
  };
  /** Start an overdue sweep, resume a stalled one, end a broken one. */
  "memory_graph.archival.watch": {
    parameters: Record<string, never>;
    result: SweepAnswerDict;
  };
}

/** What is used of a client of the `redis` package. */
export interface Redis {
  lPush(key: string, value: string): Promise<unknown>;
  get(key: string): Promise<string | null>;
}

/** Headers of the message; `id` is the task's, and a random one if you give none. */
export interface Headers {
  id?: string;
  ignore_result?: boolean;
  expires?: SentTimestamp;
  [header: string]: unknown;
}

declare const result: unique symbol;

/** The id of a task, which remembers what its result will be. */
export type TaskId<Result> = string & { readonly [result]?: Result };

type Sent<Parameters> = {} extends Parameters
  ? [parameters?: Parameters, headers?: Headers]
  : [parameters: Parameters, headers?: Headers];

/** Send a task with its parameters by name and return its id. A task sent twice under one id counts once. */
export function send<Name extends keyof Tasks>(
  redis: Pick<Redis, "lPush">,
  task: Name,
  ...sent: Sent<Tasks[Name]["parameters"]>
): Promise<TaskId<Tasks[Name]["result"]>>;

/** Wait for a task's result; throws the task's error, or that there was no result in time. */
export function answer<Result = unknown>(
  redis: Pick<Redis, "get">,
  id: TaskId<Result>,
  timeoutMs?: number,
): Promise<Result>;
