"""imachsr."""
