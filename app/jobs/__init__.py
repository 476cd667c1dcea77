"""A job's life: record, store, queue, worker."""
