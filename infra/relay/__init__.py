"""What the relay stands on: its schedule, its parcels, policies and counts in Postgres, and its network."""
