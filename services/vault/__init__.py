"""The Vault: sealed archives under retention policies, over HTTP."""
