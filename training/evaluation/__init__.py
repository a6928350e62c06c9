"""How good is it: protocols, metrics, and the report of them."""
