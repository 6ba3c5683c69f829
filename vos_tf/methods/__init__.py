"""The methods: each is one room that holds its network, training and segmenter."""
