"""Every network: students, teachers, what they are built of, and where their weights come from."""
