"""How near an exported graph is to the student: tiles of unseen cases, precisions, ways of reading."""
