"""The figures of the documentation: each function measures one thing, and says what it did."""
