"""``python -m vos_tf`` is the command ``vos-tf``."""

from vos_tf.commands.main import main

if __name__ == "__main__":
    main()
