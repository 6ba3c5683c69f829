"""See `python VOS.py --help`."""

from vos_tf.commands.train import main

if __name__ == "__main__":
    main()
