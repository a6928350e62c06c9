"""What the encoder is a stack of: attention and what stands around it."""
