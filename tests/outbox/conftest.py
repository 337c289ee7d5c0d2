"""What the outbox's tests share."""

from support.outbox import database as database
from support.outbox import dead as dead
from support.outbox import postgres as postgres
from support.outbox import relay as relay
from support.shared_broker import broker as broker
from support.shared_broker import running as running
