"""What we ask of the machine: durable files, processes, signs of life, logs, the clock."""
