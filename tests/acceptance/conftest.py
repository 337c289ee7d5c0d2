"""A real Valkey for every test that asks for one."""

from support.broker import broker as broker
from support.broker import producer as producer
from support.broker import wait as wait
