"""The exit codes of every command, in one place; docs/reference.md has both tables."""

CODES = {
    "0": "It did what you asked. `flower`, `metrics`, `outbox` and `serve` also end with it after TERM.",
    "1": "It failed; the message says why and what to do. The second table says when, for each command. A Redis that "
    "hangs is named after three seconds.",
    "2": "The call or the settings are wrong; nothing was started or changed.",
    "129, 130, 143": "It was stopped: by HUP, by Ctrl-C (or by no to a question), or by TERM.",
}

# When a command ends with 1, besides a Redis, service or database that it needs and that does not answer.
FAILS_IF = {
    "demo": "an archive is not what it should be, or a program of the stack ended",
    "dev": "a program of the stack ended",
    "status": "something could not be read",
    "sweep": "no sweep was started, it did not end as `completed`, or a session failed",
    "sweeps list": "",
    "sweeps show": "there is no such sweep",
    "sweeps pause": "",
    "sweeps resume": "",
    "queues": "",
    "queues try": "",
    "queues hold": "",
    "queues release": "",
    "queues auto": "",
    "queues move": "something is left under the old names",
    "dead list": "",
    "dead show": "there is no such letter, or more than one",
    "dead replay": "a letter was left, or there is none of an id",
    "dead purge": "a letter was left, or there is none of an id",
    "report": "",
    "flower": "",
    "outbox": "the database has no outbox or, with `--once`, not all was sent",
    "metrics": "",
    "schema": "there is no such task or result, or a file cannot be written",
    "doctor": "a check failed; warnings do not count",
    "migrate": "a database cannot be migrated or, with `--check`, a migration is due",
    "vault new-key": "",
    "vault keys": "archives need a key that `VAULT_ENCRYPTION_KEYS` lacks",
    "vault rotate": "an archive could not be read",
    "vault expire": "you did not confirm",
    "vault deletions": "",
    "serve": "",
    "completion": "",
    "health": "the part is not healthy",
}
