"""Reference implementations of the Registry, the Vault and the Memory-Graph; the workers do not need them."""
