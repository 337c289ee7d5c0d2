"""Where services keep their data: engines, storage, migrations."""
