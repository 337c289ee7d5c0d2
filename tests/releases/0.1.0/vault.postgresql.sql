CREATE SCHEMA vault;
CREATE TABLE vault.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE vault.answers (
    route character varying(200) NOT NULL,
    key character varying(255) NOT NULL,
    body_mark character varying(100) NOT NULL,
    answer text NOT NULL,
    kept_until timestamp with time zone NOT NULL
);
CREATE TABLE vault.archives (
    archive_id character varying(256) NOT NULL,
    session_id character varying(256) NOT NULL,
    body bytea NOT NULL,
    key_id character varying(16) NOT NULL,
    wrapped_key bytea NOT NULL,
    archived_at timestamp with time zone NOT NULL,
    retention_days integer NOT NULL,
    kept_days integer NOT NULL,
    kept_until timestamp with time zone NOT NULL,
    policy_id character varying(256),
    received_at timestamp with time zone NOT NULL
);
CREATE TABLE vault.deletions (
    number bigint NOT NULL,
    archive_id character varying(256) NOT NULL,
    session_id character varying(256) NOT NULL,
    policy_id character varying(256),
    archived_at timestamp with time zone NOT NULL,
    kept_until timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone NOT NULL,
    why character varying(16) NOT NULL,
    received_at timestamp with time zone NOT NULL
);
CREATE SEQUENCE vault.deletions_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE vault.deletions_number_seq OWNED BY vault.deletions.number;
CREATE TABLE vault.policies (
    policy_id character varying(256) NOT NULL,
    retention_days integer NOT NULL,
    auto_delete boolean NOT NULL,
    created_at timestamp with time zone NOT NULL,
    content text NOT NULL
);
ALTER TABLE ONLY vault.deletions ALTER COLUMN number SET DEFAULT nextval('vault.deletions_number_seq'::regclass);
ALTER TABLE ONLY vault.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY vault.answers
    ADD CONSTRAINT answers_pkey PRIMARY KEY (route, key);
ALTER TABLE ONLY vault.archives
    ADD CONSTRAINT archives_pkey PRIMARY KEY (archive_id);
ALTER TABLE ONLY vault.deletions
    ADD CONSTRAINT deletions_pkey PRIMARY KEY (number);
ALTER TABLE ONLY vault.policies
    ADD CONSTRAINT policies_pkey PRIMARY KEY (policy_id);
CREATE INDEX answers_kept_until ON vault.answers USING btree (kept_until);
CREATE INDEX archives_key_id_archive_id ON vault.archives USING btree (key_id, archive_id);
CREATE INDEX archives_policy_id_kept_until_archive_id ON vault.archives USING btree (policy_id, kept_until, archive_id);
CREATE INDEX archives_session_id ON vault.archives USING btree (session_id);
CREATE INDEX deletions_archive_id ON vault.deletions USING btree (archive_id);
CREATE INDEX deletions_session_id ON vault.deletions USING btree (session_id);

INSERT INTO vault.alembic_version VALUES ('vault_0002');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', 'sample-archive-key', '8b69f7f3b54c0afe:5124cf8982f261671083c20d672c298c4d4989e09411e540a725a5e43630598e', '{"archive_id": "a-standard", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2027-12-23T21:23:56.296509Z", "received_at": "2026-11-18T21:23:56.296509Z", "session_id": "s-standard", "status": "archived"}', '2027-02-16 21:23:56.320207+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive/batch', 'sample-batch-key:d364dbede1853470efb2cc18933931d50a9981d239576af8657bf6e04b141b25', '8b69f7f3b54c0afe:282f48d3b16accfc9ae01415bdfcfe8a83039c199dd76bb1146d3570face59ff', '{"archived": ["a-batch"], "failed": [], "success_count": 1, "total": 1}', '2027-02-16 21:23:56.331735+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', 'sample-policy-standard', '8b69f7f3b54c0afe:9fcf6a8209fd2e55bfcfc2d079a449d5bc3f29129100eef80ecfbd4cb8923a4a', '{"policy_id": "p-standard"}', '2027-02-16 21:23:56.341034+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a2240b-1736-7393-9924-b0b88bae27f3', '8b69f7f3b54c0afe:88c5f5a9404688f53817205f1cc1132c67af99a3387a325491f3c0fe08f6ec74', '{"archive_id": "a-of-standard", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2026-11-19T21:23:56.344589Z", "received_at": "2026-11-18T21:23:56.344589Z", "session_id": "s-standard", "status": "archived"}', '2027-02-16 21:23:56.350277+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', 'sample-policy-hipaa', '8b69f7f3b54c0afe:0252c2fdabdc0912315161e8cdb66a1bcc1a5e2d9069a85c273e81a792d4018b', '{"policy_id": "p-hipaa"}', '2027-02-16 21:23:56.362543+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a2240b-174c-7ab6-8f5b-63ae9354ba09', '8b69f7f3b54c0afe:825ebaf0fc8ddc327ea866e055865b17fa7cc56224d72c2b9773f4a8a8f037eb', '{"archive_id": "a-of-hipaa", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2033-11-16T21:23:56.365363Z", "received_at": "2026-11-18T21:23:56.365363Z", "session_id": "s-hipaa", "status": "archived"}', '2027-02-16 21:23:56.369091+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', 'sample-policy-gdpr', '8b69f7f3b54c0afe:45357281938c0ef1ebe4ab63fb45eb102b7ce23584f78c484d36541c7856d048', '{"policy_id": "p-gdpr"}', '2027-02-16 21:23:56.378226+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a2240b-175b-7322-bb6a-addc5764f0d3', '8b69f7f3b54c0afe:d5fa0ad32a410bf6f5b260b11f32e1ca620ae00b1eec07bc51168b887cee9383', '{"archive_id": "a-of-gdpr", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2033-11-16T21:23:56.380399Z", "received_at": "2026-11-18T21:23:56.380399Z", "session_id": "s-gdpr", "status": "archived"}', '2027-02-16 21:23:56.383467+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', 'sample-policy-pci', '8b69f7f3b54c0afe:46753ecdb752db04ccab634068bc564adcfec7660c8a707929bcb81f1bc5e4d6', '{"policy_id": "p-pci"}', '2027-02-16 21:23:56.393163+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a2240b-176a-73be-ab58-f58c8db940bb', '8b69f7f3b54c0afe:24a907863442dfa9b97a2ad73433adcc7cf37732fb084666f9d2685a4d242feb', '{"archive_id": "a-of-pci", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2029-11-17T21:23:56.395611Z", "received_at": "2026-11-18T21:23:56.395611Z", "session_id": "s-pci", "status": "archived"}', '2027-02-16 21:23:56.398921+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', 'sample-policy-soc2', '8b69f7f3b54c0afe:0cad2ddd782ede0ad5846e084b5134b689fa77f25b30d5d671559045b332ee71', '{"policy_id": "p-soc2"}', '2027-02-16 21:23:56.413082+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a2240b-177f-7c0e-b836-ad34f92200a3', '8b69f7f3b54c0afe:7162443f58f868165cd4ef3d3b60cea293e33137bbdf36aa2a739a6a3652ba51', '{"archive_id": "a-of-soc2", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2033-11-16T21:23:56.416780Z", "received_at": "2026-11-18T21:23:56.416780Z", "session_id": "s-soc2", "status": "archived"}', '2027-02-16 21:23:56.422129+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', '01a2240b-178b-7240-9570-040358a38a1d', '8b69f7f3b54c0afe:95b676d172ccd89500935240db4f51a8a8f49443009247410dcb96a79e03d055', '{"policy_id": "p-a-day"}', '2027-02-16 21:23:56.431882+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a2240b-1791-7282-b12c-d6d409a5fb4a', '8b69f7f3b54c0afe:a7a7cd71477cf53e20e42eadd27f0b8e84261ccdffd8c07c9a26c8cd2d4c9b7c', '{"archive_id": "a-deleted", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2026-11-19T21:23:56.434343Z", "received_at": "2026-11-18T21:23:56.434343Z", "session_id": "s-gone", "status": "archived"}', '2027-02-16 21:23:56.43782+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a2240b-1798-7c1a-ae01-b1867b1b7d7f', '8b69f7f3b54c0afe:e81a132a881f546687ebfa9af90181a64221b9f6ac60b073cf4e05500a557634', '{"archive_id": "a-expired", "archived_at": "2026-06-01T12:30:15.250000Z", "kept_until": "2026-11-19T21:23:56.441258Z", "received_at": "2026-11-18T21:23:56.441258Z", "session_id": "s-gone", "status": "archived"}', '2027-02-16 21:23:56.445444+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive/batch', '01a2240b-193b-70d6-9ddb-85493f8adace:0ff3d3be4708dfb7cffa6adddf5ba3084d2288eb32da2e3a35e95ed0d03e6750', '8b69f7f3b54c0afe:037b371b5f4ef468114b2fbd02327f7a06f65e51648a8e4751c06b8a9d21396e', '{"archived": ["6103cccb-0995-58f3-8008-3a73778cf63f"], "failed": [], "success_count": 1, "total": 1}', '2027-02-16 21:23:56.963628+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/policies', '55e44497-ae70-5148-99bc-7924b99b324e', '8b69f7f3b54c0afe:27111ac59753ea06e3b439e0b02fdcbbfd339bfbc91a0a18e4dd8744ba146099', '{"policy_id": "55e44497-ae70-5148-99bc-7924b99b324e"}', '2027-02-16 21:23:56.969086+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive/batch', '01a2240b-1bf5-731a-9f0f-56aeb872fd3d:7f27469287339960f89d4dce9ec7b76f28b847f3143a5f8b2d795153fbebcee1', '8b69f7f3b54c0afe:6aa85e1ee92ebfe5e8cb48624155fcdda01a5b259ad77f2379faf29aeab232e1', '{"archived": [], "failed": [{"error": "conflict: an archive with this id holds other content", "session_id": "c6275f4c-4d0e-495a-a774-4a0f1df67951"}], "success_count": 0, "total": 1}', '2027-02-16 21:23:57.700796+00');
INSERT INTO vault.answers VALUES ('POST /api/v1/archive', '01a2240b-1bf5-731a-9f0f-56aeb872fd3d:05ce50cf-e7d0-50ee-918e-88d4bb5e5916', '8b69f7f3b54c0afe:590149253e0280d47f2f984408f1ea1f733c91062765bcaae9ad438af22b89d3', '{"archive_id": "05ce50cf-e7d0-50ee-918e-88d4bb5e5916", "archived_at": "2026-11-28T21:23:57.690980Z", "kept_until": "2027-11-18T21:23:57.710827Z", "received_at": "2026-11-18T21:23:57.710827Z", "session_id": "c6275f4c-4d0e-495a-a774-4a0f1df67951", "status": "archived"}', '2027-02-16 21:23:57.713788+00');
INSERT INTO vault.archives VALUES ('a-standard', 's-standard', '\x01030bdef2f749db9d2c6c088842a4babd8043b952ccb9e93e4ed6e76b3973ceef24e8717560642ff7e46da0fc41a17ba27040d255b2b94e635ad88aa8a0c4086459635e9b287240e757a4f043bb35821dd810c38db8480e0e4052d32a02c046354053f7a3eff11cce921e4b793642620b404c597684e7cc2916b617203fbe4796eb', '8b69f7f3b54c0afe', '\x8c0e94e23e16d8a667f3982f91f82ff8c47141dd23f4d1f1c36b2b84c23e9f71b7a504e3b5567c660e0e393a9b2b3f5c00a50bf40b02e1eb6158bfe5', '2026-06-01 12:30:15.25+00', 400, 400, '2027-12-23 21:23:56.296509+00', NULL, '2026-11-18 21:23:56.296509+00');
INSERT INTO vault.archives VALUES ('a-batch', 's-batch', '\x0103a5ffda2bf2130b2602d690a1f0df0439ff1c99a64fe2d35b0d14415658a99823dd288cefe2455f36548166c9b8eb8fa02b027a281fd333db833dfcd81e7fdaa9a082ac', '8b69f7f3b54c0afe', '\xb2987039add131af96d45c5d95c8113cfe8a1076590d75a721bfd5745ff9f535c06a90bbb941b9ab43c537d9d30857bb1e9d139691bcc00adb6d6b9c', '2026-06-01 12:30:15.25+00', 365, 365, '2027-11-18 21:23:56.326685+00', NULL, '2026-11-18 21:23:56.326685+00');
INSERT INTO vault.archives VALUES ('a-of-standard', 's-standard', '\x0103585a74a6e40b01b8fcb19396014f24f003a405eb95152915cd1d200d34a03917910a54e035eb72a42d9c6ec36be5a6e6f0760df819577e680f3a2a10230c131c4df4e264fc0a3512be35aa9277a288f4a1e45e', '8b69f7f3b54c0afe', '\x06167695ea38480b2342fab0630b4d49c3c2632d75a95097333475b0ed837a629a9fed9d2c967c95888ac81e38e6fff394fbea45a435e80597b3745f', '2026-06-01 12:30:15.25+00', 1, 365, '2027-11-18 21:23:56.344589+00', 'p-standard', '2026-11-18 21:23:56.344589+00');
INSERT INTO vault.archives VALUES ('a-of-hipaa', 's-hipaa', '\x010338e4af4cd5d8446e4a98499b0ac7a546d1abc62efe318271473b5028eb84c6ba10e71818886c4c40c08218b9fbde8f7506c5ba92020e478f34aed18c4837699237028ed1b7fa06e2a1645178e32de441', '8b69f7f3b54c0afe', '\xa3c1c7073a244e2dadccc69c91bf00eb38e72c107dd3c6129db1e301840418cd6cbc1391c4f30dd7ca3212cf9e29a058b440ffb8d6f89c38c03a4f82', '2026-06-01 12:30:15.25+00', 2555, 2555, '2033-11-16 21:23:56.365363+00', 'p-hipaa', '2026-11-18 21:23:56.365363+00');
INSERT INTO vault.archives VALUES ('a-of-gdpr', 's-gdpr', '\x01034e6f5983c55bca3cbe351950aa08cd131d1cc432bb51494902b8299d5ac825424bbb086efd2cb5fc066ba104653103c3dfb4da688aacc3091e3abee54b2d07518618c289ee7de9cf73b2670d03e6e3', '8b69f7f3b54c0afe', '\xef43e71196cca63c84031104886b2f59fdc9a6424d2b59d84d8529a676f8f64ace890d0f3a53d32fa672eb41aa28e0a12338a108c1b09f7fc70bf331', '2026-06-01 12:30:15.25+00', 2555, 2555, '2033-11-16 21:23:56.380399+00', 'p-gdpr', '2026-11-18 21:23:56.380399+00');
INSERT INTO vault.archives VALUES ('a-of-pci', 's-pci', '\x0103e130c8e15fc3b17dc382367ce84496c4a58e4adbc16decfdf99f5e044c0c50ef8bfa4d8a17fdc68b056618ade25b370617afdec5295b2fa8c8b135be51e44205d85c4b9353d80d12632bd3bc5d7e', '8b69f7f3b54c0afe', '\x13f810606efa31aecb2582769968150b6137deb9d2a87584f3b0d0d634ea34469725ed14e130d91ca14f4d134aeda0817611bd9a3f218edb9f00d643', '2026-06-01 12:30:15.25+00', 1095, 1095, '2029-11-17 21:23:56.395611+00', 'p-pci', '2026-11-18 21:23:56.395611+00');
INSERT INTO vault.archives VALUES ('a-of-soc2', 's-soc2', '\x01037b3f2e4ff6bf997a192170e8eb008b528233588a39058e6a98e597ecae0da55f6298efcf525f4f853d4f224d2c24ec6faf695444cb01aefa808a47bcf0e269e1f2e87747efc2f077182c53bae3214b', '8b69f7f3b54c0afe', '\x0e2f59eb3a2171fdd321fe51f2493823cda70cacb8652843b353e37e977ac2a9195d903f63cea5e97301908b7a6fbb1aa5a4bb8034c39963a43be617', '2026-06-01 12:30:15.25+00', 2555, 2555, '2033-11-16 21:23:56.41678+00', 'p-soc2', '2026-11-18 21:23:56.41678+00');
INSERT INTO vault.archives VALUES ('6103cccb-0995-58f3-8008-3a73778cf63f', 'c6275f4c-4d0e-495a-a774-4a0f1df67951', '\x0103c06144268cbaf7a5ca3d81b411b50f0d4ebfe1e9619df9adb775ad68ee505117aa7cb9458fcbb52685a478ea1046403cf89316b8231a7eca949492506817b7d04237ddc1b22249adb2769d2705d77a3247159e41edebf9ca0fe43c4214996329e31baed836aaa8169677456bf8236159549e0c9a51240ba8a7206f607e243b2eec63853d990c7db825163e1ac956d30fdabf33afb8f1544018f130f85370f567810676504ca7e2cdaafd05d61a592ec0b4af893353d771130ff4c852e06c699654cf828f1a581ae68ac31e915165c0bb7b809c930ecefd50d124a8064f2fb264eb919baab8be7b373158b34326c52cf07eb60d7f3c154149e8caf5eaa9fa0262e48c033d1d7a11d16521924e2ad83f6e62946d0a23893b14eb0b2aa86b67bd68ef2e659f2fa80faebdc38a8a36a7559e006f80bbe386ac542d380fb2970877af0047fe586ad68fcc313aa7087ec2bf692ca8a18778b57fa3fef45767ec3ee842b2146276e8f3a8333d5e48421863b8c5556a4700b79640d5bb1242eeaf9973774b649a9b8a1d9dfde27f39a69998d4363fc92e8c11880131524e3c06221ddd4423a3cbc7ced88902a9c11fd618862c1d8c9081d4e4a1cd81eaa2f30b63f99bb864e36376aa588af00e5e44431f41a9a5d35a064ce9b95dc01d749ded2f7450309725ecec2fc1d7795bac84e1927d7b4f8b115f57ccf1600737cd72e0286a4147a5a8d78bc4a76df5cde74d448f93adaa0e07886753019a336e88a65ff2ae1b6ee1a82195ecbf3fd8ed552c55b72f83dfef79e2b42d2d8bb374c8ffe965d95a57fb03eeeec55313de41f98db0c82b6f6c97034e4d447b7b76df3ab71c1df6718dcae5a54b32ec0d516585e97739f9e1b40fb6f2ef714d946067fe6d5d737fb3609845676ff83d2b9b4a3a35c1077470ca430f5483758938d6ee69a34526aeb7c3a356ff651278df2f6b6b22c27667bac2c44db8523524764f7c866b3befea60e7c48fa54aed', '8b69f7f3b54c0afe', '\x3c95eecec098862c0fe413e53cc0b5d2f8baf43f859ad8dd8ef9c595113de27a24e866f4e89e8f614750b11bdd590e92aa0bd5030e2ac573edfdf84d', '2026-11-28 21:23:56.956791+00', 365, 365, '2027-11-18 21:23:56.959525+00', '55e44497-ae70-5148-99bc-7924b99b324e', '2026-11-18 21:23:56.959525+00');
INSERT INTO vault.archives VALUES ('05ce50cf-e7d0-50ee-918e-88d4bb5e5916', 'c6275f4c-4d0e-495a-a774-4a0f1df67951', '\x0103e63d9f70aef72db9f273a68f1742458ef10bb8c1704d0506c40f70298bb3892df236dac32ef2c374f1c2b16d03e7bf936d2ad645a02ea27866019df1598c9b0977a1254dbb717b642604a82869ddb6c67cd57b67778251ceb4a923c92a29f9407eee4efeef474456fce8e0e6a2813054170a97e8dc87e6d3d782b3c5f5ca94a7c0580a02c26d496b223a86173443846214ecce8dcdf392b80ac73eb59d334becaf2d1c33539a901a6719c050481298dc5f8f25800c889331ab7e4f771ee0b661e0ec4ed683e44ee17102592bd19d4c57e75773e015a9fbcda64cf6f4a1751b9fb709f218688e73273880d8d365877edf4a944895abc1da3778a16366a4c2b54739987521d4f79749a66f6910813becedb644ffa65b7d368f7e36680a8d9b847234aa986476c313cfa28500823dc3e8c2ccf579a6d760217d76e99e4562a021d24985d035705378eb8950950c9af44350267fdab475866a4ff20f75ff7c6412e3f64dff44e3d79bbefa5258d0220618e2a31aef1e4f7fd18cc74886862fcdc760597c8e460537337b28cad589e0a4547e193e47f1ef40a6a1fc4b8357df1ef83de29c9537b6e7333bd701a90394604d2695f70ff70fc1305e967b003b48ee124c35a1c216bcfabfc173759b4581908f964360b970719d91f66875b6f782a927a304d0fb8c0f0544df6084c07ebf7e2825e3988776357841a04560e1e86b7f0fd52f7e551eeb163de15fdac22ac0264075eb72ef42b8dce7989e62661075883f4c00526ed9cfb4cef82ea42b7c6b027e54b65b83dfe3fd21dc925974dec62a07af6acbde7e70eb337b68b820391b47d5e79c8cc338e0a986fb8410b5e8a51ea3c5baf26c782217149dd9903ea46a02a9b59d8a3c74d065baaf6f438bfac5b3ef8a8437461489cabb7cbf27c25476ddac7b062bbab89086a5ab628a65b20dac975da42640835b5d851729eac9931a33bf167f7879b17a58a6fb333a6430e198e5ed87f9565fa3d17dbc4e20ac4668eb551427f6d7c71f5dec95f768d150653b3e3ec6c1cc2aedf604e1f6e4acd01d1505d90e524e4870e5060ed3aa38a085c33b43114c4c97751371e975b9bb6dc11f87c52bb9ebeb8cc3be7acc3f3c7badf3fb17df761f126465b1f2d87a71d0de0468360de00cca6a8cb5ce', '8b69f7f3b54c0afe', '\x620b0fa8ac5249e31e644f540513c1bd67bfd1cd41b187ee1bf9b95c038a26641b8507b16950174b3e18ba58486e25046fc1b67857a0431424b988a0', '2026-11-28 21:23:57.69098+00', 365, 365, '2027-11-18 21:23:57.710827+00', '55e44497-ae70-5148-99bc-7924b99b324e', '2026-11-18 21:23:57.710827+00');
INSERT INTO vault.deletions VALUES (1, 'a-deleted', 's-gone', NULL, '2026-06-01 12:30:15.25+00', '2026-11-19 21:23:56.434343+00', '2026-11-28 21:23:59.658387+00', 'request', '2026-11-18 21:23:56.434343+00');
INSERT INTO vault.deletions VALUES (2, 'a-expired', 's-gone', 'p-a-day', '2026-06-01 12:30:15.25+00', '2026-11-19 21:23:56.441258+00', '2026-11-28 21:24:01.483615+00', 'auto_delete', '2026-11-18 21:23:56.441258+00');
INSERT INTO vault.policies VALUES ('p-standard', 365, false, '2026-06-01 12:30:15.25+00', '{"auto_delete":false,"compliance_level":"standard","description":"","name":"of standard","policy_id":"p-standard","retention_days":365,"tags":[]}');
INSERT INTO vault.policies VALUES ('p-hipaa', 2555, false, '2026-06-01 12:30:15.25+00', '{"auto_delete":false,"compliance_level":"hipaa","description":"","name":"of hipaa","policy_id":"p-hipaa","retention_days":2555,"tags":[]}');
INSERT INTO vault.policies VALUES ('p-gdpr', 2555, false, '2026-06-01 12:30:15.25+00', '{"auto_delete":false,"compliance_level":"gdpr","description":"","name":"of gdpr","policy_id":"p-gdpr","retention_days":2555,"tags":[]}');
INSERT INTO vault.policies VALUES ('p-pci', 1095, false, '2026-06-01 12:30:15.25+00', '{"auto_delete":false,"compliance_level":"pci","description":"","name":"of pci","policy_id":"p-pci","retention_days":1095,"tags":[]}');
INSERT INTO vault.policies VALUES ('p-soc2', 2555, false, '2026-06-01 12:30:15.25+00', '{"auto_delete":false,"compliance_level":"soc2","description":"","name":"of soc2","policy_id":"p-soc2","retention_days":2555,"tags":[]}');
INSERT INTO vault.policies VALUES ('p-a-day', 1, true, '2026-06-01 12:30:15.25+00', '{"auto_delete":true,"compliance_level":"standard","description":"","name":"a day","policy_id":"p-a-day","retention_days":1,"tags":[]}');
INSERT INTO vault.policies VALUES ('55e44497-ae70-5148-99bc-7924b99b324e', 365, false, '2026-11-18 21:23:56.966536+00', '{"auto_delete":false,"compliance_level":"standard","description":"Kept for 365 days (standard).","name":"standard-365","policy_id":"55e44497-ae70-5148-99bc-7924b99b324e","retention_days":365,"tags":["standard"]}');
SELECT pg_catalog.setval('vault.deletions_number_seq', 2, true);
