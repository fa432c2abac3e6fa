"""What the daemon and those who call it share: where it listens, how it is started, what is said."""
