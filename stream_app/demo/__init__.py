"""`millstream demo`: the whole loop on real data, live: broker, worker and trainer, each a process."""
