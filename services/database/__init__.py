"""Where services keep what they know: engines, storage, migrations."""
