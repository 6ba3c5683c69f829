"""One-time preprocessing: data sets become sharded TFRecords with a manifest."""
