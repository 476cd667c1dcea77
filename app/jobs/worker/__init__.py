"""How a job is worked on."""
