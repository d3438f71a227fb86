"""Public functions of one text: encoders, cached features, hashed words."""
