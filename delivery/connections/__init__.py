"""How everything here reaches Redis: addresses, the server that one means now, connections, and what replies mean."""
