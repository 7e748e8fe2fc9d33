"""What the spam filter was taught, on Postgres: kept up with the log, read at the doors and by the workers."""
