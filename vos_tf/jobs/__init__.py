"""What a command does, from a request to files on disk: each job joins several rooms, and no room knows of it."""
