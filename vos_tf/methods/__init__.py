"""The methods: one room each, which holds all that is particular to it; they never import each other."""
