"""From YAML files to checked objects: documents, merging, sweeps, registries, errors."""
