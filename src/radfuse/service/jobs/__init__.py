"""Jobs of the service, each in a child process."""
