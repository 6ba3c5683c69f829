"""What networks share, Keras only: they run and can be checked on any Keras backend."""
