BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('registry_0005');
CREATE TABLE answers (
	route VARCHAR(200) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	body_mark VARCHAR(100) NOT NULL, 
	answer TEXT NOT NULL, 
	kept_until DATETIME NOT NULL, 
	CONSTRAINT answers_pkey PRIMARY KEY (route, "key")
);
INSERT INTO "answers" VALUES('POST /api/v1/sessions','sample-registration-key','729baee6ed64c8ec27ddd76e8dfff66657237c674ad14dbd606cf364311507b0','{"ended_at": null, "metadata": {"nested": {"n": [1, 2.5, null]}, "user": "Zo\u00eb"}, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-active", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-26 21:23:40.486830');
INSERT INTO "answers" VALUES('POST /api/v1/sessions','01a2240a-d957-7baf-825a-bc4d1b9d5845','db539ba284e4f7f6884a1bba8b69f4ddb3c8dfea62f79a217d3a7c5930029d23','{"ended_at": null, "metadata": {}, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-completed", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-26 21:23:40.513942');
INSERT INTO "answers" VALUES('POST /api/v1/sessions','01a2240a-d968-799e-903d-b220e4bf8a8e','48c6b6ae6ba9e33305f044df381a0e63aba4196ad1f833dc522ba528dec0d68f','{"ended_at": null, "metadata": {}, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-failed", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-26 21:23:40.542419');
INSERT INTO "answers" VALUES('POST /api/v1/sessions','01a2240a-d986-77eb-a219-3caa07854024','4f0c556815e0c7a8431130a398c064d2186936ad4e3c4178f0200abdc48ad8ef','{"ended_at": null, "metadata": {}, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-archived", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-26 21:23:40.562930');
INSERT INTO "answers" VALUES('POST /api/v1/sessions','01a2240a-d996-735b-9294-5bf318ad3817','7f71700865b879ebaba4e10afaa537a1c68440d424c30cc9c3f6306631196fc2','{"ended_at": null, "metadata": {}, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-reopened", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-26 21:23:40.576468');
INSERT INTO "answers" VALUES('POST /api/v1/sessions/<id:session_id>/reopen','sample-reopening-key','6f0b2090fc1b393a435efcc8c5623334d2467d28352ae237fe16d1f8a7d94994','{"ended_at": null, "metadata": {}, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-reopened", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-26 21:23:40.680528');
INSERT INTO "answers" VALUES('POST /api/v1/sessions','01a2240a-da14-73f9-9475-c35c517dc46c','80e174a1bf1ca512de496157376c410adbb5b1274e4d6dca0ba06225766b76c8','{"ended_at": null, "metadata": {}, "model_id": "gone/model", "prompt_count": 0, "session_id": "s-deleted", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-26 21:23:40.703357');
INSERT INTO "answers" VALUES('POST /api/v1/sessions','01a2240a-db3b-7ea7-a6da-e5f1eb9f6043','1b5af3e467d66c8ea67f346f5b29de6a92a86d6cb3768b430eeb3a42fa7ac69e','{"ended_at": null, "metadata": {}, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "7d6233e9-a18f-4c4d-8fe1-f35a6cee8ea5", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-26 21:23:40.993534');
INSERT INTO "answers" VALUES('POST /api/v1/sessions/<id:session_id>/reopen','01a2240a-dd9e-7a6f-8dc6-5da201b60952','dcfa74e12e11b1effb3a915ad99f15705d0f4826d491d7dcbf712aa4a057f550','{"ended_at": null, "metadata": {}, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "7d6233e9-a18f-4c4d-8fe1-f35a6cee8ea5", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-26 21:23:41.604094');
CREATE TABLE model_usage (
	model_id VARCHAR(256) NOT NULL, 
	slot INTEGER NOT NULL, 
	reports BIGINT NOT NULL, 
	prompt_tokens BIGINT NOT NULL, 
	completion_tokens BIGINT NOT NULL, 
	total_tokens BIGINT NOT NULL, 
	latency_ms BIGINT NOT NULL, 
	timed_reports BIGINT NOT NULL, 
	first_at DATETIME NOT NULL, 
	last_at DATETIME NOT NULL, cached_tokens BIGINT DEFAULT '0' NOT NULL, cache_write_tokens BIGINT DEFAULT '0' NOT NULL, reasoning_tokens BIGINT DEFAULT '0' NOT NULL, tool_tokens BIGINT DEFAULT '0' NOT NULL, audio_tokens BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT model_usage_pkey PRIMARY KEY (model_id, slot)
);
INSERT INTO "model_usage" VALUES('gone/model',6,1,1,2,3,0,0,'2026-11-28 21:23:40.711212','2026-11-28 21:23:40.711212',0,0,0,0,0);
INSERT INTO "model_usage" VALUES('acme/model:1',2,2,101,22,130,250,1,'2026-06-01 12:30:15.250000','2026-06-01 12:30:15.250000',7,0,0,0,0);
INSERT INTO "model_usage" VALUES('acme/model:1',1,5,15,0,15,0,0,'2026-11-28 21:23:40.769647','2026-11-28 21:23:40.804758',1,2,3,4,5);
CREATE TABLE models (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	model_id VARCHAR(256) NOT NULL, 
	created_at DATETIME NOT NULL, 
	details TEXT NOT NULL, 
	CONSTRAINT models_model_id_unique UNIQUE (model_id)
);
INSERT INTO "models" VALUES(1,'acme/model:1','2026-11-28 21:23:40.443498','{"capabilities":[],"created_at":"2026-11-28T21:23:40.443498Z","description":"","metadata":{},"model_id":"acme/model:1","parameters":{"custom":{},"frequency_penalty":null,"max_tokens":null,"presence_penalty":null,"stop_sequences":[],"temperature":1.0,"top_p":null},"provider":"unknown","tags":[],"version":"1.0"}');
INSERT INTO "models" VALUES(2,'gone/model','2026-11-28 21:23:40.693433','{"capabilities":[],"created_at":"2026-11-28T21:23:40.693433Z","description":"","metadata":{},"model_id":"gone/model","parameters":{"custom":{},"frequency_penalty":null,"max_tokens":null,"presence_penalty":null,"stop_sequences":[],"temperature":1.0,"top_p":null},"provider":"unknown","tags":[],"version":""}');
CREATE TABLE "session_blocks" (
	block BIGINT NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	sessions INTEGER NOT NULL, 
	first_start DATETIME NOT NULL, 
	last_start DATETIME NOT NULL, 
	first_end DATETIME NOT NULL, 
	last_end DATETIME NOT NULL, 
	CONSTRAINT session_blocks_pkey PRIMARY KEY (block, status)
);
INSERT INTO "session_blocks" VALUES(0,'active',2,'2026-06-01 12:30:15.250000','2026-06-01 12:30:15.250000','2026-06-01 12:30:15.250000','2026-06-01 12:30:15.250000');
INSERT INTO "session_blocks" VALUES(0,'completed',2,'2026-06-01 12:30:15.250000','2026-06-01 12:30:15.250000','2026-11-28 21:23:40.585569','2026-11-28 21:23:41.611672');
INSERT INTO "session_blocks" VALUES(0,'failed',1,'2026-06-01 12:30:15.250000','2026-06-01 12:30:15.250000','2026-11-28 21:23:40.629477','2026-11-28 21:23:40.629477');
INSERT INTO "session_blocks" VALUES(0,'archived',1,'2026-06-01 12:30:15.250000','2026-06-01 12:30:15.250000','2026-11-28 21:23:40.601602','2026-11-28 21:23:40.601602');
CREATE TABLE session_usage (
	session_number INTEGER NOT NULL, 
	reports BIGINT NOT NULL, 
	prompt_tokens BIGINT NOT NULL, 
	completion_tokens BIGINT NOT NULL, 
	total_tokens BIGINT NOT NULL, 
	latency_ms BIGINT NOT NULL, 
	timed_reports BIGINT NOT NULL, 
	first_at DATETIME NOT NULL, 
	last_at DATETIME NOT NULL, cached_tokens BIGINT DEFAULT '0' NOT NULL, cache_write_tokens BIGINT DEFAULT '0' NOT NULL, reasoning_tokens BIGINT DEFAULT '0' NOT NULL, tool_tokens BIGINT DEFAULT '0' NOT NULL, audio_tokens BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT session_usage_pkey PRIMARY KEY (session_number), 
	CONSTRAINT session_usage_session_number_fkey FOREIGN KEY(session_number) REFERENCES sessions (number) ON DELETE CASCADE
);
INSERT INTO "session_usage" VALUES(1,5,15,0,15,0,0,'2026-11-28 21:23:40.769647','2026-11-28 21:23:40.804758',1,2,3,4,5);
INSERT INTO "session_usage" VALUES(2,2,101,22,130,250,1,'2026-06-01 12:30:15.250000','2026-06-01 12:30:15.250000',7,0,0,0,0);
CREATE TABLE sessions (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	session_id VARCHAR(256) NOT NULL, 
	model_id VARCHAR(256) NOT NULL, 
	model_version VARCHAR(256) NOT NULL, 
	started_at DATETIME NOT NULL, 
	ended_at DATETIME, 
	status VARCHAR(16) NOT NULL, 
	details TEXT NOT NULL, 
	tags TEXT NOT NULL, ending_asked_at DATETIME, ending_status VARCHAR(16), reopening_asked_at DATETIME, 
	CONSTRAINT sessions_session_id_unique UNIQUE (session_id)
);
INSERT INTO "sessions" VALUES(1,'s-active','acme/model:1','1.0','2026-06-01 12:30:15.250000',NULL,'active','{"nested":{"n":[1,2.5,null]},"user":"Zoë"}','["a"]',NULL,NULL,NULL);
INSERT INTO "sessions" VALUES(2,'s-completed','acme/model:1','','2026-06-01 12:30:15.250000','2026-11-28 21:23:40.585569','completed','{}','["completed"]',NULL,NULL,NULL);
INSERT INTO "sessions" VALUES(3,'s-failed','acme/model:1','','2026-06-01 12:30:15.250000','2026-11-28 21:23:40.629477','failed','{}','["failed"]',NULL,NULL,NULL);
INSERT INTO "sessions" VALUES(4,'s-archived','acme/model:1','','2026-06-01 12:30:15.250000','2026-11-28 21:23:40.601602','archived','{}','["archived"]',NULL,NULL,NULL);
INSERT INTO "sessions" VALUES(5,'s-reopened','acme/model:1','','2026-06-01 12:30:15.250000',NULL,'active','{}','["reopened"]',NULL,NULL,NULL);
INSERT INTO "sessions" VALUES(7,'7d6233e9-a18f-4c4d-8fe1-f35a6cee8ea5','acme/model:1','','2026-06-01 12:30:15.250000','2026-11-28 21:23:41.611672','completed','{}','[]',NULL,NULL,NULL);
CREATE TABLE usage_keys (
	"key" BLOB NOT NULL, 
	fields BLOB NOT NULL, 
	day INTEGER NOT NULL, 
	CONSTRAINT usage_keys_pkey PRIMARY KEY ("key")
)
 WITHOUT ROWID

;
INSERT INTO "usage_keys" VALUES(X'01A2240ADA2773C4B9FD110C23593FFB',X'8205396A87C20FA65C0BB6427CC3FEAF',20785);
INSERT INTO "usage_keys" VALUES(X'01A2240ADA5878ECBFF03B5885EB7B99',X'334B50F02F7F065C0C99A5AD47911154',20785);
INSERT INTO "usage_keys" VALUES(X'2D1BB07171EC50CD2313F6F1A46152963C1AEE49E658551D54917AD55E4DC0F5',X'D8A79BD00F5B202F39758FC1050958FD',20785);
INSERT INTO "usage_keys" VALUES(X'5555394C9991303CDDBCFF6E55E4EE49C3D34143A66F032269E72FC0F4BACCA3',X'7C116C9D436569014C72A6A375C7C405',20785);
INSERT INTO "usage_keys" VALUES(X'ADCEA8FE5C0ED8FA228762635A2B790D497B3408F0CFB9D70ED1BBF5EEA86943',X'B51CD79B0A782C6285CE72D5F85AFCE2',20785);
INSERT INTO "usage_keys" VALUES(X'BA5A7A60A781D6FC9BD541D19087E701676F7882770838B7473D641727A6BB46',X'A5471ADEC998FE25BC0104DED3F9877A',20785);
INSERT INTO "usage_keys" VALUES(X'CC780EBE2F45A4E52DCF37BB5827D5E3DE449ECB3B9BB701D928A646E8F624FD',X'36583E5EF5D19E11AE044696AFA58092',20785);
INSERT INTO "usage_keys" VALUES(X'EB731B513F2591CB21D22E3A6CCB830E551B205CE8CB6A0267A6708991ED5AB3',X'0E153E76E4FB43C513DC4FD2A59F9607',20785);
CREATE TABLE usage_reports (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	session_number INTEGER, 
	model_id VARCHAR(256) NOT NULL, 
	prompt_tokens BIGINT NOT NULL, 
	completion_tokens BIGINT NOT NULL, 
	total_tokens BIGINT NOT NULL, 
	latency_ms BIGINT, 
	reported_at DATETIME NOT NULL, 
	details TEXT NOT NULL, 
	CONSTRAINT usage_reports_session_number_fkey FOREIGN KEY(session_number) REFERENCES sessions (number) ON DELETE SET NULL
);
INSERT INTO "usage_reports" VALUES(1,NULL,'gone/model',1,2,3,NULL,'2026-11-28 21:23:40.711212','{}');
INSERT INTO "usage_reports" VALUES(2,2,'acme/model:1',100,20,120,NULL,'2026-06-01 12:30:15.250000','{"tokens":{"cached_tokens":7}}');
INSERT INTO "usage_reports" VALUES(3,2,'acme/model:1',1,2,10,250,'2026-06-01 12:30:15.250000','{}');
INSERT INTO "usage_reports" VALUES(4,1,'acme/model:1',1,0,1,NULL,'2026-11-28 21:23:40.769647','{"tokens":{"cached_tokens":1}}');
INSERT INTO "usage_reports" VALUES(5,1,'acme/model:1',2,0,2,NULL,'2026-11-28 21:23:40.777592','{"tokens":{"cache_write_tokens":2}}');
INSERT INTO "usage_reports" VALUES(6,1,'acme/model:1',3,0,3,NULL,'2026-11-28 21:23:40.785340','{"tokens":{"reasoning_tokens":3}}');
INSERT INTO "usage_reports" VALUES(7,1,'acme/model:1',4,0,4,NULL,'2026-11-28 21:23:40.797007','{"tokens":{"tool_tokens":4}}');
INSERT INTO "usage_reports" VALUES(8,1,'acme/model:1',5,0,5,NULL,'2026-11-28 21:23:40.804758','{"tokens":{"audio_tokens":5}}');
CREATE INDEX answers_kept_until ON answers (kept_until);
CREATE INDEX sessions_by_status ON sessions (status, number, started_at);
CREATE INDEX usage_by_session ON usage_reports (session_number);
CREATE INDEX usage_keys_by_day ON usage_keys (day);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('sessions',7);
INSERT INTO "sqlite_sequence" VALUES('models',2);
INSERT INTO "sqlite_sequence" VALUES('usage_reports',8);
COMMIT;
