"""Link adaptation: from signal quality to spectral efficiency."""
