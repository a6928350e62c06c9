"""What a model is: its file format (`bundle`, torch-free) and its networks (torch)."""
