"""A Registry, a Vault and a Memory-Graph that one can really run; the workers need none of them."""
