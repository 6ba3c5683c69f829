"""See `python preprocess.py --help`."""

from vos_tf.commands.preprocess import main

if __name__ == "__main__":
    main()
