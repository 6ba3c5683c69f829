"""What a user says of the objects of a video: masks, boxes and polygons for some of its frames. No TensorFlow."""
