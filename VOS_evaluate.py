"""See `python VOS_evaluate.py --help`."""

from vos_tf.commands.evaluate import main

if __name__ == "__main__":
    main()
