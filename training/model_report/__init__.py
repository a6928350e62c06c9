"""A model seen from within: how it learnt, where it looks, how its items lie, what their fields count."""
