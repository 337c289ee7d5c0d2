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
INSERT INTO "answers" VALUES('POST /api/v1/sessions','sample-registration-key','729baee6ed64c8ec27ddd76e8dfff66657237c674ad14dbd606cf364311507b0','{"ended_at": null, "metadata": {"nested": {"n": [1, 2.5, null]}, "user": "Zo\u00eb"}, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-active", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-26 21:12:03.381981');
INSERT INTO "answers" VALUES('POST /api/v1/sessions','01a22400-3645-7b21-9906-adf85da88455','db539ba284e4f7f6884a1bba8b69f4ddb3c8dfea62f79a217d3a7c5930029d23','{"ended_at": null, "metadata": {}, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-completed", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-26 21:12:03.429732');
INSERT INTO "answers" VALUES('POST /api/v1/sessions','01a22400-3672-7817-b24f-e4fc719ed87d','48c6b6ae6ba9e33305f044df381a0e63aba4196ad1f833dc522ba528dec0d68f','{"ended_at": null, "metadata": {}, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-failed", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-26 21:12:03.476783');
INSERT INTO "answers" VALUES('POST /api/v1/sessions','01a22400-369d-77d0-9fa1-60953a792a67','4f0c556815e0c7a8431130a398c064d2186936ad4e3c4178f0200abdc48ad8ef','{"ended_at": null, "metadata": {}, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-archived", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-26 21:12:03.518637');
INSERT INTO "answers" VALUES('POST /api/v1/sessions','01a22400-36cd-7c57-89e6-ff32d9aba65e','7f71700865b879ebaba4e10afaa537a1c68440d424c30cc9c3f6306631196fc2','{"ended_at": null, "metadata": {}, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-reopened", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-26 21:12:03.558272');
INSERT INTO "answers" VALUES('POST /api/v1/sessions/<id:session_id>/reopen','sample-reopening-key','6f0b2090fc1b393a435efcc8c5623334d2467d28352ae237fe16d1f8a7d94994','{"ended_at": null, "metadata": {}, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-reopened", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-26 21:12:03.832989');
INSERT INTO "answers" VALUES('POST /api/v1/sessions','01a22400-3809-77d7-8f15-4d9d61932841','80e174a1bf1ca512de496157376c410adbb5b1274e4d6dca0ba06225766b76c8','{"ended_at": null, "metadata": {}, "model_id": "gone/model", "prompt_count": 0, "session_id": "s-deleted", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-26 21:12:03.875597');
INSERT INTO "answers" VALUES('POST /api/v1/sessions','01a22400-3c63-7724-99f3-8b2d3878125c','c31807491754bff876cec319daf184059b5cc3075c73f9301f0dd9a832fc93e8','{"ended_at": null, "metadata": {}, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "d30f3e05-b8a7-40b0-959d-abd2fe1c9bd9", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-26 21:12:04.986005');
INSERT INTO "answers" VALUES('POST /api/v1/sessions/<id:session_id>/reopen','01a22400-4b3f-704f-93d5-1c6bda4ad1c3','fc07269f96ef9c653e359317c34aad794fa23ebadc992ff7588192a7c1d43573','{"ended_at": null, "metadata": {}, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "d30f3e05-b8a7-40b0-959d-abd2fe1c9bd9", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-26 21:12:08.787207');
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
INSERT INTO "model_usage" VALUES('gone/model',6,1,1,2,3,0,0,'2026-11-28 21:12:03.891281','2026-11-28 21:12:03.891281',0,0,0,0,0);
INSERT INTO "model_usage" VALUES('acme/model:1',2,2,101,22,130,250,1,'2026-06-01 12:30:15.250000','2026-06-01 12:30:15.250000',7,0,0,0,0);
INSERT INTO "model_usage" VALUES('acme/model:1',1,5,15,0,15,0,0,'2026-11-28 21:12:04.067412','2026-11-28 21:12:04.218803',1,2,3,4,5);
CREATE TABLE models (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	model_id VARCHAR(256) NOT NULL, 
	created_at DATETIME NOT NULL, 
	details TEXT NOT NULL, 
	CONSTRAINT models_model_id_unique UNIQUE (model_id)
);
INSERT INTO "models" VALUES(1,'acme/model:1','2026-11-28 21:12:03.284447','{"capabilities":[],"created_at":"2026-11-28T21:12:03.284447Z","description":"","metadata":{},"model_id":"acme/model:1","parameters":{"custom":{},"frequency_penalty":null,"max_tokens":null,"presence_penalty":null,"stop_sequences":[],"temperature":1.0,"top_p":null},"provider":"unknown","tags":[],"version":"1.0"}');
INSERT INTO "models" VALUES(2,'gone/model','2026-11-28 21:12:03.850332','{"capabilities":[],"created_at":"2026-11-28T21:12:03.850332Z","description":"","metadata":{},"model_id":"gone/model","parameters":{"custom":{},"frequency_penalty":null,"max_tokens":null,"presence_penalty":null,"stop_sequences":[],"temperature":1.0,"top_p":null},"provider":"unknown","tags":[],"version":""}');
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
INSERT INTO "session_blocks" VALUES(0,'completed',2,'2026-06-01 12:30:15.250000','2026-06-01 12:30:15.250000','2026-11-28 21:12:03.577735','2026-11-28 21:12:08.843536');
INSERT INTO "session_blocks" VALUES(0,'failed',1,'2026-06-01 12:30:15.250000','2026-06-01 12:30:15.250000','2026-11-28 21:12:03.710450','2026-11-28 21:12:03.710450');
INSERT INTO "session_blocks" VALUES(0,'archived',1,'2026-06-01 12:30:15.250000','2026-06-01 12:30:15.250000','2026-11-28 21:12:03.629495','2026-11-28 21:12:03.629495');
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
INSERT INTO "session_usage" VALUES(1,5,15,0,15,0,0,'2026-11-28 21:12:04.067412','2026-11-28 21:12:04.218803',1,2,3,4,5);
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
INSERT INTO "sessions" VALUES(2,'s-completed','acme/model:1','','2026-06-01 12:30:15.250000','2026-11-28 21:12:03.577735','completed','{}','["completed"]',NULL,NULL,NULL);
INSERT INTO "sessions" VALUES(3,'s-failed','acme/model:1','','2026-06-01 12:30:15.250000','2026-11-28 21:12:03.710450','failed','{}','["failed"]',NULL,NULL,NULL);
INSERT INTO "sessions" VALUES(4,'s-archived','acme/model:1','','2026-06-01 12:30:15.250000','2026-11-28 21:12:03.629495','archived','{}','["archived"]',NULL,NULL,NULL);
INSERT INTO "sessions" VALUES(5,'s-reopened','acme/model:1','','2026-06-01 12:30:15.250000',NULL,'active','{}','["reopened"]',NULL,NULL,NULL);
INSERT INTO "sessions" VALUES(7,'d30f3e05-b8a7-40b0-959d-abd2fe1c9bd9','acme/model:1','','2026-06-01 12:30:15.250000','2026-11-28 21:12:08.843536','completed','{}','[]',NULL,NULL,NULL);
CREATE TABLE usage_keys (
	"key" BLOB NOT NULL, 
	fields BLOB NOT NULL, 
	day INTEGER NOT NULL, 
	CONSTRAINT usage_keys_pkey PRIMARY KEY ("key")
)
 WITHOUT ROWID

;
INSERT INTO "usage_keys" VALUES(X'01A22400383378DAAA76FFE73EE5526F',X'9F5AC360EB94ADE06C5246DF519B9E45',20785);
INSERT INTO "usage_keys" VALUES(X'01A2240038BD7CA69C4207324CC83E82',X'334B50F02F7F065C0C99A5AD47911154',20785);
INSERT INTO "usage_keys" VALUES(X'2D1BB07171EC50CD2313F6F1A46152963C1AEE49E658551D54917AD55E4DC0F5',X'D448A3A12CB3D4EE0BB9E235A6B6EBA0',20785);
INSERT INTO "usage_keys" VALUES(X'5555394C9991303CDDBCFF6E55E4EE49C3D34143A66F032269E72FC0F4BACCA3',X'F29F1775CD1905D108F1DCAAA2E01F65',20785);
INSERT INTO "usage_keys" VALUES(X'ADCEA8FE5C0ED8FA228762635A2B790D497B3408F0CFB9D70ED1BBF5EEA86943',X'A6BC689FAF66CA885CDAF8D927E7C2FE',20785);
INSERT INTO "usage_keys" VALUES(X'BA5A7A60A781D6FC9BD541D19087E701676F7882770838B7473D641727A6BB46',X'A5471ADEC998FE25BC0104DED3F9877A',20785);
INSERT INTO "usage_keys" VALUES(X'CC780EBE2F45A4E52DCF37BB5827D5E3DE449ECB3B9BB701D928A646E8F624FD',X'7DE978E41C2EAB7DAFCE1DFDC0E21610',20785);
INSERT INTO "usage_keys" VALUES(X'EB731B513F2591CB21D22E3A6CCB830E551B205CE8CB6A0267A6708991ED5AB3',X'F68B204B003AD8E43DD364EC9B108AE7',20785);
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
INSERT INTO "usage_reports" VALUES(1,NULL,'gone/model',1,2,3,NULL,'2026-11-28 21:12:03.891281','{}');
INSERT INTO "usage_reports" VALUES(2,2,'acme/model:1',100,20,120,NULL,'2026-06-01 12:30:15.250000','{"tokens":{"cached_tokens":7}}');
INSERT INTO "usage_reports" VALUES(3,2,'acme/model:1',1,2,10,250,'2026-06-01 12:30:15.250000','{}');
INSERT INTO "usage_reports" VALUES(4,1,'acme/model:1',1,0,1,NULL,'2026-11-28 21:12:04.067412','{"tokens":{"cached_tokens":1}}');
INSERT INTO "usage_reports" VALUES(5,1,'acme/model:1',2,0,2,NULL,'2026-11-28 21:12:04.107465','{"tokens":{"cache_write_tokens":2}}');
INSERT INTO "usage_reports" VALUES(6,1,'acme/model:1',3,0,3,NULL,'2026-11-28 21:12:04.140315','{"tokens":{"reasoning_tokens":3}}');
INSERT INTO "usage_reports" VALUES(7,1,'acme/model:1',4,0,4,NULL,'2026-11-28 21:12:04.178660','{"tokens":{"tool_tokens":4}}');
INSERT INTO "usage_reports" VALUES(8,1,'acme/model:1',5,0,5,NULL,'2026-11-28 21:12:04.218803','{"tokens":{"audio_tokens":5}}');
CREATE INDEX answers_kept_until ON answers (kept_until);
CREATE INDEX sessions_by_status ON sessions (status, number, started_at);
CREATE INDEX usage_by_session ON usage_reports (session_number);
CREATE INDEX usage_keys_by_day ON usage_keys (day);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('sessions',7);
INSERT INTO "sqlite_sequence" VALUES('models',2);
INSERT INTO "sqlite_sequence" VALUES('usage_reports',8);
COMMIT;
