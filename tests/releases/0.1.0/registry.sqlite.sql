BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('registry_0006');
CREATE TABLE answers (
	route VARCHAR(200) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	body_mark VARCHAR(100) NOT NULL, 
	answer TEXT NOT NULL, 
	kept_until DATETIME NOT NULL, 
	CONSTRAINT answers_pkey PRIMARY KEY (route, "key")
);
INSERT INTO "answers" VALUES('POST /api/v1/sessions','sample-registration-key','729baee6ed64c8ec27ddd76e8dfff66657237c674ad14dbd606cf364311507b0','{"ended_at": null, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-active", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-27 00:56:32.205720');
INSERT INTO "answers" VALUES('POST /api/v1/sessions','01a224cd-bad5-7bd0-88fb-4a855cc73d6f','db539ba284e4f7f6884a1bba8b69f4ddb3c8dfea62f79a217d3a7c5930029d23','{"ended_at": null, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-completed", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-27 00:56:32.220619');
INSERT INTO "answers" VALUES('POST /api/v1/sessions','01a224cd-bae0-7bcc-b3bb-45e2690318b4','48c6b6ae6ba9e33305f044df381a0e63aba4196ad1f833dc522ba528dec0d68f','{"ended_at": null, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-failed", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-27 00:56:32.231033');
INSERT INTO "answers" VALUES('POST /api/v1/sessions','01a224cd-baeb-7eaf-ad21-4f45bade68e9','4f0c556815e0c7a8431130a398c064d2186936ad4e3c4178f0200abdc48ad8ef','{"ended_at": null, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-archived", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-27 00:56:32.246636');
INSERT INTO "answers" VALUES('POST /api/v1/sessions','01a224cd-bafa-72d5-9746-e3ce98af8e6e','7f71700865b879ebaba4e10afaa537a1c68440d424c30cc9c3f6306631196fc2','{"ended_at": null, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-reopened", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-27 00:56:32.256707');
INSERT INTO "answers" VALUES('POST /api/v1/sessions/<id:session_id>/reopen','sample-reopening-key','6f0b2090fc1b393a435efcc8c5623334d2467d28352ae237fe16d1f8a7d94994','{"ended_at": null, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "s-reopened", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-27 00:56:32.340957');
INSERT INTO "answers" VALUES('POST /api/v1/sessions','01a224cd-bb5b-7ef9-93a3-3223d5f8f46b','80e174a1bf1ca512de496157376c410adbb5b1274e4d6dca0ba06225766b76c8','{"ended_at": null, "model_id": "gone/model", "prompt_count": 0, "session_id": "s-deleted", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-27 00:56:32.356526');
INSERT INTO "answers" VALUES('POST /api/v1/sessions','01a224cd-bcef-7566-aca0-502de39d5ec8','4a07f455183aa16f031950b988ff6f87a858fab664138f2830ce0e8ef1435e2c','{"ended_at": null, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "00a8d6c7-9f5f-4a0f-9669-fd103e9b2d32", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-27 00:56:32.764284');
INSERT INTO "answers" VALUES('POST /api/v1/sessions/<id:session_id>/reopen','01a224cd-c161-7329-beb1-5198216cd9fc','467a81318ab9635f3d717c4b005d8eb536495d1f8d2aeed131b7e5a483bc93a2','{"ended_at": null, "model_id": "acme/model:1", "prompt_count": 0, "session_id": "00a8d6c7-9f5f-4a0f-9669-fd103e9b2d32", "started_at": "2026-06-01T12:30:15.250000Z", "status": "active", "total_tokens": 0}','2027-02-27 00:56:33.916076');
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
INSERT INTO "model_usage" VALUES('gone/model',6,1,1,2,3,0,0,'2026-11-29 00:56:32.359328','2026-11-29 00:56:32.359328',0,0,0,0,0);
INSERT INTO "model_usage" VALUES('acme/model:1',2,2,101,22,130,250,1,'2026-06-01 12:30:15.250000','2026-06-01 12:30:15.250000',7,0,0,0,0);
INSERT INTO "model_usage" VALUES('acme/model:1',1,5,15,0,15,0,0,'2026-11-29 00:56:32.407356','2026-11-29 00:56:32.449056',1,2,3,4,5);
CREATE TABLE models (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	model_id VARCHAR(256) NOT NULL, 
	created_at DATETIME NOT NULL, 
	details TEXT NOT NULL, 
	CONSTRAINT models_model_id_unique UNIQUE (model_id)
);
INSERT INTO "models" VALUES(1,'acme/model:1','2026-11-29 00:56:32.177303','{"capabilities":[],"created_at":"2026-11-29T00:56:32.177303Z","description":"","metadata":{},"model_id":"acme/model:1","parameters":{"custom":{},"frequency_penalty":null,"max_tokens":null,"presence_penalty":null,"stop_sequences":[],"temperature":1.0,"top_p":null},"provider":"unknown","tags":[],"version":"1.0"}');
INSERT INTO "models" VALUES(2,'gone/model','2026-11-29 00:56:32.348073','{"capabilities":[],"created_at":"2026-11-29T00:56:32.348073Z","description":"","metadata":{},"model_id":"gone/model","parameters":{"custom":{},"frequency_penalty":null,"max_tokens":null,"presence_penalty":null,"stop_sequences":[],"temperature":1.0,"top_p":null},"provider":"unknown","tags":[],"version":""}');
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
INSERT INTO "session_blocks" VALUES(0,'completed',2,'2026-06-01 12:30:15.250000','2026-06-01 12:30:15.250000','2026-11-29 00:56:32.260135','2026-11-29 00:56:33.923662');
INSERT INTO "session_blocks" VALUES(0,'failed',1,'2026-06-01 12:30:15.250000','2026-06-01 12:30:15.250000','2026-11-29 00:56:32.291495','2026-11-29 00:56:32.291495');
INSERT INTO "session_blocks" VALUES(0,'archived',1,'2026-06-01 12:30:15.250000','2026-06-01 12:30:15.250000','2026-11-29 00:56:32.274143','2026-11-29 00:56:32.274143');
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
INSERT INTO "session_usage" VALUES(1,5,15,0,15,0,0,'2026-11-29 00:56:32.407356','2026-11-29 00:56:32.449056',1,2,3,4,5);
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
INSERT INTO "sessions" VALUES(2,'s-completed','acme/model:1','','2026-06-01 12:30:15.250000','2026-11-29 00:56:32.260135','completed','{}','["completed"]','2026-11-29 00:56:32.260135','completed',NULL);
INSERT INTO "sessions" VALUES(3,'s-failed','acme/model:1','','2026-06-01 12:30:15.250000','2026-11-29 00:56:32.291495','failed','{}','["failed"]','2026-11-29 00:56:32.291495','failed',NULL);
INSERT INTO "sessions" VALUES(4,'s-archived','acme/model:1','','2026-06-01 12:30:15.250000','2026-11-29 00:56:32.274143','archived','{}','["archived"]','2026-11-29 00:56:32.274143','completed',NULL);
INSERT INTO "sessions" VALUES(5,'s-reopened','acme/model:1','','2026-06-01 12:30:15.250000',NULL,'active','{}','["reopened"]','2026-11-29 00:56:32.282069','completed','2026-11-29 00:56:32.331183');
INSERT INTO "sessions" VALUES(7,'00a8d6c7-9f5f-4a0f-9669-fd103e9b2d32','acme/model:1','','2026-06-01 12:30:15.250000','2026-11-29 00:56:33.923662','completed','{}','[]','2026-11-29 00:56:33.923662','completed','2026-11-29 00:56:33.891102');
CREATE TABLE usage_keys (
	"key" BLOB NOT NULL, 
	fields BLOB NOT NULL, 
	day INTEGER NOT NULL, 
	CONSTRAINT usage_keys_pkey PRIMARY KEY ("key")
)
 WITHOUT ROWID

;
INSERT INTO "usage_keys" VALUES(X'01A224CDBB6774929B86670B660C98D3',X'AB094EFF3971AE4F3AF9024AA5C44034',20786);
INSERT INTO "usage_keys" VALUES(X'01A224CDBB8D7D3BAE383B63418EDAA9',X'334B50F02F7F065C0C99A5AD47911154',20786);
INSERT INTO "usage_keys" VALUES(X'2D1BB07171EC50CD2313F6F1A46152963C1AEE49E658551D54917AD55E4DC0F5',X'303866689B0D0236BB5B32E251F598C6',20786);
INSERT INTO "usage_keys" VALUES(X'5555394C9991303CDDBCFF6E55E4EE49C3D34143A66F032269E72FC0F4BACCA3',X'F0770787091A3300EF7C2EA24EE131DE',20786);
INSERT INTO "usage_keys" VALUES(X'ADCEA8FE5C0ED8FA228762635A2B790D497B3408F0CFB9D70ED1BBF5EEA86943',X'6B82648E9D234B0B3A1D391D4835C807',20786);
INSERT INTO "usage_keys" VALUES(X'BA5A7A60A781D6FC9BD541D19087E701676F7882770838B7473D641727A6BB46',X'A5471ADEC998FE25BC0104DED3F9877A',20786);
INSERT INTO "usage_keys" VALUES(X'CC780EBE2F45A4E52DCF37BB5827D5E3DE449ECB3B9BB701D928A646E8F624FD',X'9BF974135574255604B05A7218148974',20786);
INSERT INTO "usage_keys" VALUES(X'EB731B513F2591CB21D22E3A6CCB830E551B205CE8CB6A0267A6708991ED5AB3',X'6BCE60FE29D4ECA14FACC061DC9B2F0F',20786);
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
INSERT INTO "usage_reports" VALUES(1,NULL,'gone/model',1,2,3,NULL,'2026-11-29 00:56:32.359328','{}');
INSERT INTO "usage_reports" VALUES(2,2,'acme/model:1',100,20,120,NULL,'2026-06-01 12:30:15.250000','{"tokens":{"cached_tokens":7}}');
INSERT INTO "usage_reports" VALUES(3,2,'acme/model:1',1,2,10,250,'2026-06-01 12:30:15.250000','{}');
INSERT INTO "usage_reports" VALUES(4,1,'acme/model:1',1,0,1,NULL,'2026-11-29 00:56:32.407356','{"tokens":{"cached_tokens":1}}');
INSERT INTO "usage_reports" VALUES(5,1,'acme/model:1',2,0,2,NULL,'2026-11-29 00:56:32.419806','{"tokens":{"cache_write_tokens":2}}');
INSERT INTO "usage_reports" VALUES(6,1,'acme/model:1',3,0,3,NULL,'2026-11-29 00:56:32.428560','{"tokens":{"reasoning_tokens":3}}');
INSERT INTO "usage_reports" VALUES(7,1,'acme/model:1',4,0,4,NULL,'2026-11-29 00:56:32.439728','{"tokens":{"tool_tokens":4}}');
INSERT INTO "usage_reports" VALUES(8,1,'acme/model:1',5,0,5,NULL,'2026-11-29 00:56:32.449056','{"tokens":{"audio_tokens":5}}');
CREATE INDEX answers_kept_until ON answers (kept_until);
CREATE INDEX sessions_by_status ON sessions (status, number, started_at);
CREATE INDEX usage_by_session ON usage_reports (session_number);
CREATE INDEX usage_keys_by_day ON usage_keys (day);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('sessions',7);
INSERT INTO "sqlite_sequence" VALUES('models',2);
INSERT INTO "sqlite_sequence" VALUES('usage_reports',8);
COMMIT;
