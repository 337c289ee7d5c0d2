CREATE SCHEMA registry;
CREATE TABLE registry.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE registry.answers (
    route character varying(200) NOT NULL,
    key character varying(255) NOT NULL,
    body_mark character varying(100) NOT NULL,
    answer text NOT NULL,
    kept_until timestamp with time zone NOT NULL
);
CREATE TABLE registry.model_usage (
    model_id character varying(256) NOT NULL,
    slot integer NOT NULL,
    reports bigint NOT NULL,
    prompt_tokens bigint NOT NULL,
    completion_tokens bigint NOT NULL,
    total_tokens bigint NOT NULL,
    latency_ms bigint NOT NULL,
    timed_reports bigint NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    cached_tokens bigint DEFAULT '0'::bigint NOT NULL,
    cache_write_tokens bigint DEFAULT '0'::bigint NOT NULL,
    reasoning_tokens bigint DEFAULT '0'::bigint NOT NULL,
    tool_tokens bigint DEFAULT '0'::bigint NOT NULL,
    audio_tokens bigint DEFAULT '0'::bigint NOT NULL
);
CREATE TABLE registry.models (
    number bigint NOT NULL,
    model_id character varying(256) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    details text NOT NULL
);
CREATE SEQUENCE registry.models_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE registry.models_number_seq OWNED BY registry.models.number;
CREATE TABLE registry.session_blocks (
    block bigint NOT NULL,
    status character varying(16) NOT NULL,
    sessions integer NOT NULL,
    first_start timestamp with time zone NOT NULL,
    last_start timestamp with time zone NOT NULL,
    first_end timestamp with time zone NOT NULL,
    last_end timestamp with time zone NOT NULL
);
CREATE TABLE registry.session_usage (
    session_number bigint NOT NULL,
    reports bigint NOT NULL,
    prompt_tokens bigint NOT NULL,
    completion_tokens bigint NOT NULL,
    total_tokens bigint NOT NULL,
    latency_ms bigint NOT NULL,
    timed_reports bigint NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    cached_tokens bigint DEFAULT '0'::bigint NOT NULL,
    cache_write_tokens bigint DEFAULT '0'::bigint NOT NULL,
    reasoning_tokens bigint DEFAULT '0'::bigint NOT NULL,
    tool_tokens bigint DEFAULT '0'::bigint NOT NULL,
    audio_tokens bigint DEFAULT '0'::bigint NOT NULL
);
CREATE TABLE registry.sessions (
    number bigint NOT NULL,
    session_id character varying(256) NOT NULL,
    model_id character varying(256) NOT NULL,
    model_version character varying(256) NOT NULL,
    started_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    status character varying(16) NOT NULL,
    details text NOT NULL,
    tags text NOT NULL,
    ending_asked_at timestamp with time zone,
    ending_status character varying(16),
    reopening_asked_at timestamp with time zone
);
CREATE SEQUENCE registry.sessions_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE registry.sessions_number_seq OWNED BY registry.sessions.number;
CREATE TABLE registry.usage_keys (
    key bytea NOT NULL,
    fields bytea NOT NULL,
    day integer NOT NULL
);
CREATE TABLE registry.usage_reports (
    number bigint NOT NULL,
    session_number bigint,
    model_id character varying(256) NOT NULL,
    prompt_tokens bigint NOT NULL,
    completion_tokens bigint NOT NULL,
    total_tokens bigint NOT NULL,
    latency_ms bigint,
    reported_at timestamp with time zone NOT NULL,
    details text NOT NULL
);
CREATE SEQUENCE registry.usage_reports_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE registry.usage_reports_number_seq OWNED BY registry.usage_reports.number;
ALTER TABLE ONLY registry.models ALTER COLUMN number SET DEFAULT nextval('registry.models_number_seq'::regclass);
ALTER TABLE ONLY registry.sessions ALTER COLUMN number SET DEFAULT nextval('registry.sessions_number_seq'::regclass);
ALTER TABLE ONLY registry.usage_reports ALTER COLUMN number SET DEFAULT nextval('registry.usage_reports_number_seq'::regclass);
ALTER TABLE ONLY registry.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY registry.answers
    ADD CONSTRAINT answers_pkey PRIMARY KEY (route, key);
ALTER TABLE ONLY registry.model_usage
    ADD CONSTRAINT model_usage_pkey PRIMARY KEY (model_id, slot);
ALTER TABLE ONLY registry.models
    ADD CONSTRAINT models_model_id_unique UNIQUE (model_id);
ALTER TABLE ONLY registry.models
    ADD CONSTRAINT models_pkey PRIMARY KEY (number);
ALTER TABLE ONLY registry.session_blocks
    ADD CONSTRAINT session_blocks_pkey PRIMARY KEY (block, status);
ALTER TABLE ONLY registry.session_usage
    ADD CONSTRAINT session_usage_pkey PRIMARY KEY (session_number);
ALTER TABLE ONLY registry.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (number);
ALTER TABLE ONLY registry.sessions
    ADD CONSTRAINT sessions_session_id_unique UNIQUE (session_id);
ALTER TABLE ONLY registry.usage_keys
    ADD CONSTRAINT usage_keys_pkey PRIMARY KEY (key);
ALTER TABLE ONLY registry.usage_reports
    ADD CONSTRAINT usage_reports_pkey PRIMARY KEY (number);
CREATE INDEX answers_kept_until ON registry.answers USING btree (kept_until);
CREATE INDEX sessions_by_status ON registry.sessions USING btree (status, number, started_at);
CREATE INDEX usage_by_session ON registry.usage_reports USING btree (session_number);
CREATE INDEX usage_keys_by_day ON registry.usage_keys USING btree (day);
ALTER TABLE ONLY registry.session_usage
    ADD CONSTRAINT session_usage_session_number_fkey FOREIGN KEY (session_number) REFERENCES registry.sessions(number) ON DELETE CASCADE;
ALTER TABLE ONLY registry.usage_reports
    ADD CONSTRAINT usage_reports_session_number_fkey FOREIGN KEY (session_number) REFERENCES registry.sessions(number) ON DELETE SET NULL;

INSERT INTO registry.alembic_version VALUES ('registry_0006');
INSERT INTO registry.answers VALUES ('POST /api/v1/sessions', 'sample-registration-key', '729baee6ed64c8ec27ddd76e8dfff66657237c674ad14dbd606cf364311507b0', '{"ended_at": null, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-active", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}', '2027-02-27 00:56:52.583213+00');
INSERT INTO registry.answers VALUES ('POST /api/v1/sessions', '01a224ce-0a6a-79aa-8a5c-9d72eb0c9662', 'db539ba284e4f7f6884a1bba8b69f4ddb3c8dfea62f79a217d3a7c5930029d23', '{"ended_at": null, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-completed", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}', '2027-02-27 00:56:52.599516+00');
INSERT INTO registry.answers VALUES ('POST /api/v1/sessions', '01a224ce-0a7c-7f10-aece-947fd3d27132', '48c6b6ae6ba9e33305f044df381a0e63aba4196ad1f833dc522ba528dec0d68f', '{"ended_at": null, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-failed", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}', '2027-02-27 00:56:52.627373+00');
INSERT INTO registry.answers VALUES ('POST /api/v1/sessions', '01a224ce-0a98-7c99-b26d-c0c085dcaec8', '4f0c556815e0c7a8431130a398c064d2186936ad4e3c4178f0200abdc48ad8ef', '{"ended_at": null, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-archived", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}', '2027-02-27 00:56:52.646946+00');
INSERT INTO registry.answers VALUES ('POST /api/v1/sessions', '01a224ce-0aa8-7b1f-b035-4716c8ccc1bd', '7f71700865b879ebaba4e10afaa537a1c68440d424c30cc9c3f6306631196fc2', '{"ended_at": null, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-reopened", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}', '2027-02-27 00:56:52.663922+00');
INSERT INTO registry.answers VALUES ('POST /api/v1/sessions/<id:session_id>/reopen', 'sample-reopening-key', '6f0b2090fc1b393a435efcc8c5623334d2467d28352ae237fe16d1f8a7d94994', '{"ended_at": null, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-reopened", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}', '2027-02-27 00:56:52.769331+00');
INSERT INTO registry.answers VALUES ('POST /api/v1/sessions', '01a224ce-0b26-7e95-8a60-8e989367b18b', '80e174a1bf1ca512de496157376c410adbb5b1274e4d6dca0ba06225766b76c8', '{"ended_at": null, "model_id": "gone/model", "prompt_count": 0, "session_id": "s-deleted", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}', '2027-02-27 00:56:52.78781+00');
INSERT INTO registry.answers VALUES ('POST /api/v1/sessions', '01a224ce-0cff-7856-ae5b-cee9f11f29d0', '4a658a306bc0ea817cd92b40ee91d6077dd5eb327483ef4d60581226e3c56f18', '{"ended_at": null, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "bbda3b1c-03e1-41f5-9b46-48000e9dcb89", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}', '2027-02-27 00:56:53.265005+00');
INSERT INTO registry.answers VALUES ('POST /api/v1/sessions/<id:session_id>/reopen', '01a224ce-1102-79bd-9540-db43e3379097', '6648858f34cdf2e5c93b842f658f790e1a4cd78dadd3db85f5e63b377dabe25f', '{"ended_at": null, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "bbda3b1c-03e1-41f5-9b46-48000e9dcb89", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}', '2027-02-27 00:56:54.294278+00');
INSERT INTO registry.model_usage VALUES ('gone/model', 6, 1, 1, 2, 3, 0, 0, '2026-11-29 00:56:52.789812+00', '2026-11-29 00:56:52.789812+00', 0, 0, 0, 0, 0);
INSERT INTO registry.model_usage VALUES ('acme/model:1', 2, 2, 101, 22, 130, 250, 1, '2026-06-01 12:30:15.25+00', '2026-06-01 12:30:15.25+00', 7, 0, 0, 0, 0);
INSERT INTO registry.model_usage VALUES ('acme/model:1', 1, 5, 15, 0, 15, 0, 0, '2026-11-29 00:56:52.86515+00', '2026-11-29 00:56:52.911295+00', 1, 2, 3, 4, 5);
INSERT INTO registry.models VALUES (1, 'acme/model:1', '2026-11-29 00:56:52.535023+00', '{"capabilities":[],"created_at":"2026-11-29T00:56:52.535023Z","description":"","metadata":{},"model_id":"acme/model:1","parameters":{"custom":{},"frequency_penalty":null,"max_tokens":null,"presence_penalty":null,"stop_sequences":[],"temperature":1.0,"top_p":null},"provider":"unknown","tags":[],"version":"1.0"}');
INSERT INTO registry.models VALUES (2, 'gone/model', '2026-11-29 00:56:52.775666+00', '{"capabilities":[],"created_at":"2026-11-29T00:56:52.775666Z","description":"","metadata":{},"model_id":"gone/model","parameters":{"custom":{},"frequency_penalty":null,"max_tokens":null,"presence_penalty":null,"stop_sequences":[],"temperature":1.0,"top_p":null},"provider":"unknown","tags":[],"version":""}');
INSERT INTO registry.session_blocks VALUES (0, 'failed', 1, '2026-06-01 12:30:15.25+00', '2026-06-01 12:30:15.25+00', '2026-11-29 00:56:52.717439+00', '2026-11-29 00:56:52.717439+00');
INSERT INTO registry.session_blocks VALUES (0, 'archived', 1, '2026-06-01 12:30:15.25+00', '2026-06-01 12:30:15.25+00', '2026-11-29 00:56:52.691841+00', '2026-11-29 00:56:52.691841+00');
INSERT INTO registry.session_blocks VALUES (0, 'active', 2, '2026-06-01 12:30:15.25+00', '2026-06-01 12:30:15.25+00', '2026-06-01 12:30:15.25+00', '2026-06-01 12:30:15.25+00');
INSERT INTO registry.session_blocks VALUES (0, 'completed', 2, '2026-06-01 12:30:15.25+00', '2026-06-01 12:30:15.25+00', '2026-11-29 00:56:52.668751+00', '2026-11-29 00:56:54.304976+00');
INSERT INTO registry.sessions VALUES (1, 's-active', 'acme/model:1', '1.0', '2026-06-01 12:30:15.25+00', NULL, 'active', '{"nested":{"n":[1,2.5,null]},"user":"Zoë"}', '["a"]', NULL, NULL, NULL);
INSERT INTO registry.sessions VALUES (2, 's-completed', 'acme/model:1', '', '2026-06-01 12:30:15.25+00', '2026-11-29 00:56:52.668751+00', 'completed', '{}', '["completed"]', '2026-11-29 00:56:52.668751+00', 'completed', NULL);
INSERT INTO registry.sessions VALUES (3, 's-failed', 'acme/model:1', '', '2026-06-01 12:30:15.25+00', '2026-11-29 00:56:52.717439+00', 'failed', '{}', '["failed"]', '2026-11-29 00:56:52.717439+00', 'failed', NULL);
INSERT INTO registry.sessions VALUES (4, 's-archived', 'acme/model:1', '', '2026-06-01 12:30:15.25+00', '2026-11-29 00:56:52.691841+00', 'archived', '{}', '["archived"]', '2026-11-29 00:56:52.691841+00', 'completed', NULL);
INSERT INTO registry.sessions VALUES (5, 's-reopened', 'acme/model:1', '', '2026-06-01 12:30:15.25+00', NULL, 'active', '{}', '["reopened"]', '2026-11-29 00:56:52.704759+00', 'completed', '2026-11-29 00:56:52.757081+00');
INSERT INTO registry.sessions VALUES (7, 'bbda3b1c-03e1-41f5-9b46-48000e9dcb89', 'acme/model:1', '', '2026-06-01 12:30:15.25+00', '2026-11-29 00:56:54.304976+00', 'completed', '{}', '[]', '2026-11-29 00:56:54.304976+00', 'completed', '2026-11-29 00:56:54.27611+00');
INSERT INTO registry.session_usage VALUES (2, 2, 101, 22, 130, 250, 1, '2026-06-01 12:30:15.25+00', '2026-06-01 12:30:15.25+00', 7, 0, 0, 0, 0);
INSERT INTO registry.session_usage VALUES (1, 5, 15, 0, 15, 0, 0, '2026-11-29 00:56:52.86515+00', '2026-11-29 00:56:52.911295+00', 1, 2, 3, 4, 5);
INSERT INTO registry.usage_keys VALUES ('\x01a224ce0b3570f195617ab3f0a3ef42', '\xb40d449071b63e7b7662f193b7ead740', 20786);
INSERT INTO registry.usage_keys VALUES ('\xba5a7a60a781d6fc9bd541d19087e701676f7882770838b7473d641727a6bb46', '\xa5471adec998fe25bc0104ded3f9877a', 20786);
INSERT INTO registry.usage_keys VALUES ('\x01a224ce0b6f73c9962fd3eb1283aaa5', '\x334b50f02f7f065c0c99a5ad47911154', 20786);
INSERT INTO registry.usage_keys VALUES ('\xcc780ebe2f45a4e52dcf37bb5827d5e3de449ecb3b9bb701d928a646e8f624fd', '\x943cda20c2eca19b0bb6c082aedb7ae3', 20786);
INSERT INTO registry.usage_keys VALUES ('\x2d1bb07171ec50cd2313f6f1a46152963c1aee49e658551d54917ad55e4dc0f5', '\xfeec37e60e2309edba642184532c33b5', 20786);
INSERT INTO registry.usage_keys VALUES ('\xadcea8fe5c0ed8fa228762635a2b790d497b3408f0cfb9d70ed1bbf5eea86943', '\xc36a999dca8151273c498f2654a3af26', 20786);
INSERT INTO registry.usage_keys VALUES ('\xeb731b513f2591cb21d22e3a6ccb830e551b205ce8cb6a0267a6708991ed5ab3', '\x10b3ac4671c336d344d0edda647f97d4', 20786);
INSERT INTO registry.usage_keys VALUES ('\x5555394c9991303cddbcff6e55e4ee49c3d34143a66f032269e72fc0f4bacca3', '\xc75376405f7b622abade3470c9be249d', 20786);
INSERT INTO registry.usage_reports VALUES (1, NULL, 'gone/model', 1, 2, 3, NULL, '2026-11-29 00:56:52.789812+00', '{}');
INSERT INTO registry.usage_reports VALUES (2, 2, 'acme/model:1', 100, 20, 120, NULL, '2026-06-01 12:30:15.25+00', '{"tokens":{"cached_tokens":7}}');
INSERT INTO registry.usage_reports VALUES (3, 2, 'acme/model:1', 1, 2, 10, 250, '2026-06-01 12:30:15.25+00', '{}');
INSERT INTO registry.usage_reports VALUES (4, 1, 'acme/model:1', 1, 0, 1, NULL, '2026-11-29 00:56:52.86515+00', '{"tokens":{"cached_tokens":1}}');
INSERT INTO registry.usage_reports VALUES (5, 1, 'acme/model:1', 2, 0, 2, NULL, '2026-11-29 00:56:52.876982+00', '{"tokens":{"cache_write_tokens":2}}');
INSERT INTO registry.usage_reports VALUES (6, 1, 'acme/model:1', 3, 0, 3, NULL, '2026-11-29 00:56:52.888708+00', '{"tokens":{"reasoning_tokens":3}}');
INSERT INTO registry.usage_reports VALUES (7, 1, 'acme/model:1', 4, 0, 4, NULL, '2026-11-29 00:56:52.900545+00', '{"tokens":{"tool_tokens":4}}');
INSERT INTO registry.usage_reports VALUES (8, 1, 'acme/model:1', 5, 0, 5, NULL, '2026-11-29 00:56:52.911295+00', '{"tokens":{"audio_tokens":5}}');
SELECT pg_catalog.setval('registry.models_number_seq', 2, true);
SELECT pg_catalog.setval('registry.sessions_number_seq', 7, true);
SELECT pg_catalog.setval('registry.usage_reports_number_seq', 8, true);
