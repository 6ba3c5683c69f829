"""EMVOS: a light memory network that follows objects through real video on a CPU."""
