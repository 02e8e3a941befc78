"""What a model is made of: parameters, multiply-adds, memory."""
